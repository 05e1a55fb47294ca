"""Work in parts that fit into memory gives what the whole would have given."""

import threading

import pytest
import torch
from tiny_training import batch_of

from ncsn.base.errors import UserError
from ncsn.builders.score_net import build_score_net
from ncsn.config.params import ModelParams
from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.losses import denoising_score_matching
from ncsn.runtime.memory import Gradients, in_parts

SIGMAS = geometric_sigmas(1.0, 0.01, 10)


def _net():
    return build_score_net(ModelParams(name="ncsn", base_channels=8), SIGMAS, (1, 8, 8), seed=1)


def _out_of_memory_above(limit, score_fn, seen):
    def scores(x, level):
        seen.append(len(x))
        if len(x) > limit:
            raise torch.OutOfMemoryError("out of memory")
        return score_fn(x, level)

    return scores


@pytest.mark.parametrize("keep_buffers", [False, True])
def test_gradients_in_parts_are_those_of_the_whole_batch(keep_buffers, capsys):
    whole, parts, seen = _net(), _net(), []
    objective = lambda *batch: denoising_score_matching(*batch, SIGMAS)  # noqa: E731
    losses = Gradients(whole).compute(objective, whole, *batch_of())
    gradients = Gradients(parts, keep_buffers=keep_buffers)
    scores = _out_of_memory_above(7, parts, seen)
    for _ in range(2):  # the size that fits is remembered, and gradients start anew
        again = gradients.compute(objective, scores, *batch_of())
    assert seen == [20, 10, 5, 5, 5, 5, 5, 5, 5, 5]
    assert capsys.readouterr().err.count("notice: training: out of memory") == 2
    torch.testing.assert_close(again, losses)
    for mine, theirs in zip(parts.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_threads", [2, 3, 9])
def test_gradients_side_by_side_are_those_of_the_whole_batch_and_the_same_bits_again(num_threads):
    whole, halves, seen = _net(), _net(), []

    def objective(*batch):
        seen.append((threading.current_thread().name, torch.get_num_threads()))
        return denoising_score_matching(*batch, SIGMAS)

    losses = Gradients(whole).compute(objective, whole, *batch_of())
    seen.clear()
    gradients, first = Gradients(halves, num_threads=num_threads), None
    for _ in range(3):
        again = gradients.compute(objective, halves, *batch_of())
        found = [parameter.grad for parameter in halves.parameters()]
        assert first is None or all(map(torch.equal, first, found))
        first = found
    assert len(seen) == 3 * min(num_threads, 4)
    assert all(name.startswith("gradients") for name, _ in seen)
    assert {threads for _, threads in seen} == {num_threads // min(num_threads, 4)}
    torch.testing.assert_close(again, losses)
    for mine, theirs in zip(found, whole.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs.grad, rtol=1e-4, atol=1e-5)


def test_scores_in_parts_are_those_of_the_whole_batch(capsys):
    x, level, _ = batch_of()
    double, seen = (lambda x, level: 2 * x), []
    scores = in_parts(_out_of_memory_above(8, double, seen), "sampling")
    assert torch.equal(scores(x, level), 2 * x) and torch.equal(scores(x, level), 2 * x)
    assert seen == [20, 10, 5, 5, 5, 5, 5, 5, 5, 5]
    assert "going on with 5 images at once" in capsys.readouterr().err


def test_memory_for_not_even_one_image_is_an_error_that_says_what_to_do():
    scores = in_parts(_out_of_memory_above(0, None, []), "sampling")
    with pytest.raises(UserError, match="sampling: one image at a time.*base.device"):
        scores(*batch_of()[:2])

"""A compiler that fails, or a memory that ends, at any place costs time and never the result."""

import pytest
import torch
from tiny_training import batch_of

from ncsn.base.errors import UserError
from ncsn.builders.score_net import build_score_net
from ncsn.config.params import ModelParams
from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.losses import denoising_score_matching
from ncsn.runtime import compiled
from ncsn.runtime.compiled import CompiledScores, is_out_of_memory
from ncsn.runtime.memory import Gradients, in_parts

CPU = torch.device("cpu")
SIGMAS = geometric_sigmas(1.0, 0.01, 10)


class _Graphs:
    """Stands in for torch.compile: what it was called with, and what it does then."""

    def __init__(self, monkeypatch, forward=None, backward=None):
        self.sizes, self.resets, self.forward, self.backward = [], 0, forward, backward
        monkeypatch.setattr(compiled.torch, "compile", lambda score_fn, **_: self._of(score_fn))
        monkeypatch.setattr(compiled.torch.compiler, "reset", self._reset)

    def _of(self, score_fn):
        def scores(x, level):
            self.sizes.append(len(x))
            if self.forward is not None:
                self.forward(x)
            y = score_fn(x, level)
            return y if self.backward is None else _Fails.apply(y, self.backward)

        return scores

    def _reset(self):
        self.resets += 1


class _Fails(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y, error):
        ctx.error = error
        return y.clone()

    @staticmethod
    def backward(ctx, grad):
        raise ctx.error


def _net():
    return build_score_net(ModelParams(name="ncsn", base_channels=4), SIGMAS, (1, 8, 8), seed=1)


def _objective(*batch):
    return denoising_score_matching(*batch, SIGMAS)


def _gradients(net):
    return torch.cat([parameter.grad.flatten() for parameter in net.parameters()])


@pytest.mark.parametrize("keep_buffers", [False, True])
def test_a_failure_inside_backward_falls_back_once_with_the_same_gradients(
    monkeypatch, capsys, keep_buffers
):
    whole, net = _net(), _net()
    losses = Gradients(whole).compute(_objective, whole, *batch_of())
    graphs = _Graphs(monkeypatch, backward=RuntimeError("capture failed\nand more"))
    scores = CompiledScores(net, CPU)
    gradients = Gradients(net, keep_buffers=keep_buffers)
    for _ in range(2):
        assert torch.equal(gradients.compute(_objective, scores, *batch_of()), losses)
        assert torch.equal(_gradients(net), _gradients(whole))
    assert graphs.sizes == [20] and graphs.resets == 1 and not scores.is_compiled
    told = capsys.readouterr().err
    assert told.count("notice") == 1 and "RuntimeError: capture failed)" in told


def test_a_mistake_of_ours_inside_backward_is_not_taken_for_the_compiler_s():
    net = _net()
    with pytest.raises(RuntimeError, match="ours"):
        Gradients(net).compute(
            lambda *batch: _Fails.apply(_objective(*batch), RuntimeError("ours")), net, *batch_of()
        )


@pytest.mark.parametrize("place", ["forward", "backward"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_memory_that_ends_under_graphs_resets_them_before_the_batch_is_halved(
    monkeypatch, capsys, place, wrapped
):
    whole, net, seen = _net(), _net(), []
    losses = Gradients(whole).compute(_objective, whole, *batch_of())

    def out_of_memory(x):
        seen.append((len(x), graphs.resets))
        if len(x) > 10 and place == "forward":
            raise _no_memory(wrapped)

    graphs = _Graphs(monkeypatch, forward=out_of_memory)
    scores, error = CompiledScores(net, CPU), _no_memory(wrapped)

    def objective(*batch):
        found = _objective(*batch)
        tight = place == "backward" and len(found) > 10
        return _Fails.apply(found, error) if tight else found

    found = Gradients(net).compute(objective, scores, *batch_of())
    assert seen == [(20, 0), (10, 1), (10, 1)] and scores.is_compiled
    torch.testing.assert_close(found, losses)
    torch.testing.assert_close(_gradients(net), _gradients(whole), rtol=1e-4, atol=1e-5)
    told = capsys.readouterr().err
    assert told.count("notice") == 1 and "going on with 10 images at once" in told


def _no_memory(wrapped):
    error = torch.OutOfMemoryError("out of memory")
    if wrapped:  # as compilers do
        outer = RuntimeError("backend failed")
        outer.__cause__ = error
        return outer
    return error


def test_an_error_that_memory_did_not_cause_is_not_taken_for_one():
    assert is_out_of_memory(_no_memory(True)) and not is_out_of_memory(RuntimeError("no"))


def test_scores_in_parts_of_a_compiled_function_reset_its_graphs_too(monkeypatch):
    def out_of_memory(x):
        if len(x) > 6:
            raise torch.OutOfMemoryError("out of memory")

    graphs = _Graphs(monkeypatch, forward=out_of_memory)
    x, level, _ = batch_of()
    scores = in_parts(CompiledScores(lambda x, level: 2 * x, CPU), "sampling")
    assert torch.equal(scores(x, level), 2 * x)
    assert graphs.sizes == [20, 10, 5, 5, 5, 5] and graphs.resets == 2
    graphs.forward = lambda x: out_of_memory(torch.zeros(9))
    with pytest.raises(UserError, match="one image at a time"):
        scores(x, level)


def test_a_smaller_batch_is_filled_up_not_compiled_anew(monkeypatch):
    graphs, net = _Graphs(monkeypatch), _net()
    scores, (x, level, z) = CompiledScores(net, CPU), batch_of(7)
    for count in (7, 3, 7, 1):
        with torch.no_grad():
            found = scores(x[:count], level[:count])
            torch.testing.assert_close(found, net(x[:count], level[:count]))
    assert graphs.sizes == [7, 7, 7, 7]
    losses = Gradients(net).compute(_objective, scores, x[:3], level[:3], z[:3])
    filled_up = _gradients(net)
    Gradients(net).compute(_objective, net, x[:3], level[:3], z[:3])
    assert losses.shape == (3,)
    torch.testing.assert_close(filled_up, _gradients(net), rtol=1e-4, atol=1e-5)


def test_what_fills_up_a_batch_has_no_level_that_divides_by_zero(monkeypatch):
    """A continuous training hands sigmas over: with zeros the gradient would be no number."""
    _Graphs(monkeypatch)
    weight = torch.ones(1, requires_grad=True)
    scores = CompiledScores(lambda x, sigma: weight * x / sigma.view(-1, 1), CPU)
    x, sigma = torch.ones(4, 2), torch.full((4,), 0.5)
    scores(x, sigma)
    scores(x[:2], sigma[:2]).sum().backward()
    assert weight.grad.item() == 8.0


@pytest.mark.slow
def test_one_real_compilation_serves_all_batch_sizes():
    from torch._dynamo.testing import CompileCounter

    torch.compiler.reset()
    counter, net = CompileCounter(), _net()
    scores = CompiledScores(net, CPU)
    scores._fast = torch.compile(net, backend=counter, dynamic=False)
    x, level, _ = batch_of(7)
    with torch.no_grad():
        for count in (7, 3, 7, 1):
            scores(x[:count], level[:count])
    assert counter.frame_count == 1

"""A training that stays at the loss of a zero score is told, one that learns is not."""

import pytest
import torch
from tiny_training import BASE, params_of, task_of

import ncsn.train.doubt
import ncsn.train.previews
import ncsn.train.watching
from ncsn.base.files import read_jsonl
from ncsn.base.rng import generator
from ncsn.base.training_names import TRAIN_LOSS, VAL_LOSS
from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.losses import denoising_score_matching
from ncsn.maths.zero_score import zero_score_loss
from ncsn.train.doubt import stuck_doubt
from ncsn.train.log import LOG
from ncsn.train.loop import train

PARAMS = params_of(num_steps=1000, batch_size=128, log_every_steps=50)


def _row(loss, step=400):
    return {"step": step, TRAIN_LOSS: loss}


def test_losses_of_a_zero_score_are_doubted_about_always_and_slightly_lower_ones_are_not():
    """By losses as a training would have them: means of 50 batches of 128 images of 64 pixels."""
    draws = generator("z")
    for _ in range(50):
        z = torch.randn(50 * 128, 64, generator=draws)
        loss = float(z.square().sum(1).mean() / 2)
        assert stuck_doubt(_row(loss), PARAMS, 64)
        assert stuck_doubt(_row(0.98 * loss), PARAMS, 64) is None


def test_a_zero_score_has_half_the_dimension_at_every_level():
    sigmas, draws = geometric_sigmas(1.0, 0.01, 4), generator("loss")
    level = torch.arange(4).repeat_interleave(1000)
    x, z = (torch.randn(4000, 20, generator=draws) for _ in range(2))
    losses = denoising_score_matching(lambda x, level: 0 * x, x, level, z, sigmas)
    expected = zero_score_loss(20)
    assert expected == 10.0
    error = (expected / 1000) ** 0.5  # the variance is D/2 too
    for found in losses.view(4, 1000):
        assert float(found.mean()) == pytest.approx(expected, abs=4 * error)
        assert float(found.var()) == pytest.approx(expected, rel=0.25)


def test_a_short_row_has_to_be_further_below():
    """Of 128 losses the mean is known to 0.5, of 6400 to 0.07."""
    assert stuck_doubt(_row(31.0, step=400), PARAMS, 64) is None
    assert stuck_doubt(_row(31.0, step=401), PARAMS, 64)
    assert stuck_doubt(_row(30.4, step=401), PARAMS, 64) is None


@pytest.mark.parametrize(
    ("row", "params"),
    [
        (_row(33.0, step=199), PARAMS),
        ({"step": 400, VAL_LOSS: 33.0}, PARAMS),
        (_row(33.0), PARAMS.model_copy(update={"weight_power": 1.0})),
    ],
)
def test_nothing_is_said_too_early_without_a_loss_or_with_other_weights(row, params):
    assert stuck_doubt(_row(33.0, step=200), PARAMS, 64)
    assert stuck_doubt(row, params, 64) is None


def test_the_sentence_has_the_numbers_and_what_to_do():
    assert stuck_doubt(_row(32.1234, step=1200), PARAMS, 64) == (
        "the training loss is 32.12 at step 1,200, not below the 32 of a network that returns "
        "zero: it has learnt nothing. Raise train.warmup_steps, lower train.learning_rate, or "
        "take another train.seed"
    )


@pytest.mark.parametrize(("rate", "told"), [(1e-12, 1), (1e-2, 0)])
def test_a_training_says_it_once_and_leaves_no_word_in_its_log(
    tmp_path, monkeypatch, capsys, rate, told
):
    monkeypatch.setattr(ncsn.train.watching, "NUM_VALIDATION", 6)
    monkeypatch.setattr(ncsn.train.previews, "NUM_EVALUATIONS", 3)
    monkeypatch.setattr(ncsn.train.doubt, "AFTER_STEPS", 20)
    params = params_of(num_steps=40, log_every_steps=10, learning_rate=rate)
    train(task_of(params), params, BASE, tmp_path)
    said = capsys.readouterr().err
    assert said.count("notice: the training loss is ") == told
    assert said.count(" at step 20, not below the 32 of a network") == told
    assert all(isinstance(v, int | float) for r in read_jsonl(tmp_path / LOG) for v in r.values())

"""What a training does, by a second route: its weights written out step by step, and its watchers.

A network of one factor for each pixel makes every step cheap enough to be repeated by hand.
"""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_training import BASE, RECIPE
from torch import Tensor, nn

import ncsn.train.previews
import ncsn.train.watching
from ncsn.base.files import read_json, read_jsonl
from ncsn.base.rng import generator
from ncsn.base.training_names import TRAIN_LOSS, VAL_LOSS, level_key
from ncsn.builders.objective import build_objective
from ncsn.config.params import TrainParams
from ncsn.maths.ema import power_of_length
from ncsn.maths.exact_score import DataScore
from ncsn.maths.ladder import geometric_sigmas
from ncsn.train.batches import draw_batch
from ncsn.train.log import LOG
from ncsn.train.loop import COST, Task, train
from ncsn.train.watching import validation_losses

SIGMAS = geometric_sigmas(1.0, 0.1, 3)
SHAPE = (1, 8, 8)


class Factors(nn.Module):
    """The score f * x, with one factor for each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.factors = nn.Parameter(torch.rand(SHAPE, generator=generator("factors")) - 1)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return self.factors * x


def _params(num_steps: int, **changes: float | str) -> TrainParams:
    watched = {f"{name}_every_steps": 10**6 for name in ("log", "validate", "preview")}
    values = {
        "num_steps": num_steps,
        "batch_size": 8,
        "learning_rate": 0.05,
        "adam_beta1": 0.6,
        "adam_beta2": 0.9,
        "adam_eps": 0.5,  # as large as a gradient, so that it is felt
        "weight_power": 2.0,
        "ema_decay": 0.8,
        **RECIPE,
        "uniform_dequantisation": True,
        "random_flip": True,
        "precision": "fp32",
        "frechet_samples": 0,
    }
    return TrainParams(**watched, **(values | changes))


def _task(params: TrainParams, images: Tensor | None = None) -> Task:
    if images is None:
        images = torch.randint(256, (24, *SHAPE), generator=generator("i"), dtype=torch.uint8)
    return Task(Factors(), build_objective(params, SIGMAS), images, images[:6], SIGMAS, {})


@pytest.fixture(autouse=True)
def small_work_for_watchers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ncsn.train.watching, "NUM_VALIDATION", 24)
    monkeypatch.setattr(ncsn.train.previews, "NUM_EVALUATIONS", 3)


def _trained(params: TrainParams, folder: Path) -> tuple[Tensor, Tensor]:
    """Raw and averaged factors at the end of a training."""
    folder.mkdir()
    saved = train(_task(params), params, BASE, folder)
    return saved.net["factors"], saved.ema["factors"]


def test_the_average_follows_the_weights_of_every_step(tmp_path: Path) -> None:
    """A training of n steps begins like a longer one, so its end is the longer one's step n."""
    expected = Factors().factors.detach()
    for n in range(1, 16):
        raw, average = _trained(_params(n), tmp_path / str(n))
        decay = min(0.8, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * raw
        torch.testing.assert_close(average, expected)


RATES = {  # by step of a training of six, relative to train.learning_rate
    ("constant", 0): [1] * 6,
    ("constant", 4): [1 / 4, 2 / 4, 3 / 4, 1, 1, 1],
    ("linear", 2): [1 / 2, 1, 1, 3 / 4, 2 / 4, 1 / 4],
    ("cosine", 0): [0.5 + 0.5 * math.cos(math.pi * step / 6) for step in range(6)],
}


@pytest.mark.parametrize(
    ("flip", "dequantise", "recipe"),
    [(True, True, recipe) for recipe in RATES]
    + [(flip, not flip, ("constant", 0)) for flip in (True, False)]
    + [(False, False, ("constant", 0))],
)
def test_training_is_adam_on_the_mean_loss_of_its_batches(
    tmp_path: Path, flip: bool, dequantise: bool, recipe: tuple[str, int]
) -> None:
    """Kingma & Ba 2015, Algorithm 1, written out with all of its constants and rates."""
    changes = {"learning_rate_decay": recipe[0], "warmup_steps": recipe[1]}
    params = _params(6, random_flip=flip, uniform_dequantisation=dequantise, **changes)
    task, net = _task(params), Factors()
    first = second = torch.zeros(SHAPE)
    for step in range(6):
        batch = draw_batch(
            task.images, 3, 8, 3, step, uniform_dequantisation=dequantise, random_flip=flip
        )
        loss = task.objective(net, *batch).mean()
        (gradient,) = torch.autograd.grad(loss, net.factors)
        first = 0.6 * first + 0.4 * gradient
        second = 0.9 * second + 0.1 * gradient.square()
        corrected = (second / (1 - 0.9 ** (step + 1))).sqrt()
        with torch.no_grad():
            rate = 0.05 * RATES[recipe][step]
            net.factors -= rate * first / (1 - 0.6 ** (step + 1)) / (corrected + 0.5)
    raw, _ = _trained(params, tmp_path / "a")
    torch.testing.assert_close(raw, net.factors.detach())


@pytest.mark.parametrize(("dequantise", "brightness"), [(True, 0.5 / 256), (False, 0.0)])
def test_validation_sees_pixels_as_the_training_does(dequantise: bool, brightness: float) -> None:
    """The mean of black images is that of the jitter, 1/2 of a byte, or nothing."""
    params = _params(1, uniform_dequantisation=dequantise)
    black = torch.zeros(6, *SHAPE, dtype=torch.uint8)

    def mean_pixel(score_fn: object, x: Tensor, level: Tensor, z: Tensor) -> Tensor:
        return x.flatten(1).mean(1)

    task = Task(Factors(), mean_pixel, black, black, SIGMAS, {})
    losses = validation_losses(Factors(), task, params, seed=1)
    spread = 1 / 256 / (12 * 24 * 64) ** 0.5  # of the mean of 24 images of 64 pixels
    assert losses[VAL_LOSS] == pytest.approx(brightness, abs=4 * spread)


def test_validation_meets_every_level_and_every_image_with_standard_noise() -> None:
    params, seen = _params(1, uniform_dequantisation=False), []
    held_out = torch.arange(6, dtype=torch.uint8).view(6, 1, 1, 1).expand(6, *SHAPE).contiguous()

    def told(score_fn: object, x: Tensor, level: Tensor, z: Tensor) -> Tensor:
        seen.extend(zip((255 * x[:, 0, 0, 0]).round().int().tolist(), level.tolist(), strict=True))
        return z.flatten(1).square().mean(1) + level

    task = Task(Factors(), told, held_out[:3], held_out, SIGMAS, {})
    losses = validation_losses(Factors(), task, params, seed=1)
    assert {image for image, _ in seen} == set(range(6))
    assert [level for _, level in seen] == [0, 1, 2] * 8
    for level in range(3):
        # z^2 has mean 1 and variance 2; 8 images of 64 pixels
        expected = pytest.approx(1 + level, abs=4 * (2 / (8 * 64)) ** 0.5)
        assert losses[level_key(VAL_LOSS, level)] == expected
    assert validation_losses(Factors(), task, params, seed=1) == losses
    assert validation_losses(Factors(), task, params, seed=2) != losses


def test_a_row_of_the_log_is_the_mean_since_the_row_before(tmp_path: Path) -> None:
    """A training that logs every step against one that logs every third."""
    losses = {}
    for every in (1, 3):
        params = _params(6).model_copy(update={"log_every_steps": every})
        (folder := tmp_path / str(every)).mkdir()
        train(_task(params), params, BASE, folder)
        rows = read_jsonl(folder / LOG)
        losses[every] = [row[TRAIN_LOSS] for row in rows if TRAIN_LOSS in row]
    by_threes = torch.tensor(losses[1], dtype=torch.float64).view(2, 3).mean(1)
    assert losses[3] == pytest.approx(by_threes.tolist())


def test_an_exact_score_is_finished_before_its_first_step(tmp_path: Path) -> None:
    params = _params(6)
    task = _task(params)
    points = torch.zeros(2, *SHAPE, dtype=torch.uint8)
    exact = replace(task, net=DataScore(points, SIGMAS))
    saved = train(exact, params, BASE, tmp_path)
    assert saved.step == 0 and torch.equal(saved.ema["points"], points)
    assert [row["step"] for row in read_jsonl(tmp_path / LOG)] == [0]
    assert (saved.image_shape, read_json(tmp_path / COST)["num_images"]) == (SHAPE, 0)


def test_the_power_average_is_the_closed_form_of_the_weights_of_every_step(tmp_path: Path) -> None:
    """As above; the random start, which the exponential average holds, has no share."""
    recipe, power = {"ema_profile": "power", "ema_length": 0.2}, power_of_length(0.2) + 1
    trained = [_trained(_params(n, **recipe), tmp_path / str(n)) for n in range(1, 9)]
    for n, (_, average) in enumerate(trained, 1):
        shares = [(k / n) ** power - ((k - 1) / n) ** power for k in range(1, n + 1)]
        expected = sum(share * raw for share, (raw, _) in zip(shares, trained[:n], strict=True))
        torch.testing.assert_close(average, expected)


class Conv(nn.Conv2d):
    """A score whose products are counted."""

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return super().forward(x)


def test_the_cost_counts_every_image_of_every_batch(tmp_path: Path) -> None:
    params = _params(6)
    train(replace(_task(params), net=Conv(1, 1, 1)), params, BASE, tmp_path)
    assert read_json(tmp_path / COST)["num_images"] == 6 * 8


def test_the_weight_of_a_level_is_that_of_the_params() -> None:
    """Without sigma^power a power of 0 is 1 / sigma^2 of what the paper's power of 2 gives."""
    x, z = (torch.rand(3, *SHAPE, generator=generator(name)) for name in "xz")
    level = torch.arange(3)
    by_power = {
        power: build_objective(_params(1, weight_power=power), SIGMAS)(Factors(), x, level, z)
        for power in (0.0, 2.0)
    }
    torch.testing.assert_close(by_power[0.0] * SIGMAS.float() ** 2, by_power[2.0])

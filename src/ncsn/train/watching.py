"""What people see of a training while it runs: log, held-out losses, preview images.

All of it decides nothing of the network. Scores come from the averaged weights and run as those of
the stage `sample` do, in the precision of the training.
"""

import copy
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from ncsn.base.progress import notice
from ncsn.base.rng import generator
from ncsn.base.training_names import LEARNING_RATE, STEPS_PER_SEC, VAL_LOSS, VAL_PIXEL_FRECHET
from ncsn.builders.recipe import build_learning_rate
from ncsn.config.params import BaseParams, TrainParams
from ncsn.data.arrays import as_floats
from ncsn.maths.ema import WeightAverage
from ncsn.maths.types import ScoreFn
from ncsn.runtime.execution import network_scores
from ncsn.runtime.memory import in_parts
from ncsn.runtime.way import chosen_way
from ncsn.train import previews
from ncsn.train.batches import Batch
from ncsn.train.doubt import stuck_doubt
from ncsn.train.log import LOG, PREVIEWS, SPEED, LossWindow, append_row
from ncsn.train.task import Task, training_seed

NUM_VALIDATION = 2000  # pairs of a held-out image and a level


class Watcher:
    """Logs, validates and draws previews where a step asks for it, and after the last one.

    Make it before the network's own `Execution`, which changes the network's first layer.

    Args:
        task: what is trained.
        average: the weights that are watched.
        params: the section train, its precision that of the training.
        base: seed and compilation.
        folder: takes the log, the speed and the previews.
        flops: of the forward and backward pass of one image.
        step: steps that are done.
    """

    def __init__(
        self,
        task: Task,
        average: WeightAverage,
        params: TrainParams,
        base: BaseParams,
        folder: Path,
        flops: int,
        step: int,
    ):
        self.task, self.params, self.folder = task, params, folder
        self.seed = training_seed(params, base)
        net, device = averaged_net(task.net, average), task.images.device
        to_do = watching_evaluations(params) * flops / 3  # a gradient costs two evaluations
        way = chosen_way(params.precision, base, device, to_do)
        scores = network_scores(net, device, way)
        self.doubted = False
        self.score_fn = in_parts(scores, "validation and previews")
        self.rate, self.learning_rate = _Rate(step), build_learning_rate(params)

    def __call__(self, step: int, window: LossWindow) -> None:
        """Does what the step asks for; a logged window starts anew."""
        last, params = step == self.params.num_steps, self.params
        log, validate, preview = (
            last or step % every == 0
            for every in (
                params.log_every_steps,
                params.validate_every_steps,
                params.preview_every_steps,
            )
        )
        if not (log or validate or preview):
            return
        self.rate.pause()
        row: dict[str, float] = {"step": step}
        if log:
            row |= window.means() | {LEARNING_RATE: self.learning_rate(step - 1)}
            window.clear()
            append_row(self.folder / SPEED, {"step": step, STEPS_PER_SEC: self.rate.read(step)})
        if validate:
            row |= validation_losses(self.score_fn, self.task, params, self.seed)
        if preview and params.frechet_samples:
            row[VAL_PIXEL_FRECHET] = self._distance()
        if len(row) > 1:
            append_row(self.folder / LOG, row)
            self._doubt(row)
        if preview:
            self._preview(self.folder / PREVIEWS / f"step_{step:08d}.png")
        self.rate.resume()

    def _doubt(self, row: Mapping[str, float]) -> None:
        """Says once that a training is stuck."""
        doubt = stuck_doubt(row, self.params, self.task.images[0].numel())
        if doubt and not self.doubted:
            notice(doubt)
        self.doubted |= doubt is not None

    def _distance(self) -> float:
        task, count = self.task, self.params.frechet_samples
        return previews.preview_distance(
            self.score_fn, task.sigmas, task.held_out, count, self.seed
        )

    def _preview(self, path: Path) -> None:
        task = self.task
        previews.write_preview(path, self.score_fn, task.sigmas, task.images.shape[1:], self.seed)


class _Rate:
    """Training steps per second between two readings, without the time spent on watching."""

    def __init__(self, step: int):
        self.step, self.seconds, self.begin = step, 0.0, time.perf_counter()

    def pause(self) -> None:
        self.seconds += time.perf_counter() - self.begin

    def resume(self) -> None:
        self.begin = time.perf_counter()

    def read(self, step: int) -> float:
        rate = (step - self.step) / self.seconds
        self.step, self.seconds = step, 0.0
        return rate


def averaged_net(net: nn.Module, average: WeightAverage) -> nn.Module:
    """Returns a copy of a network whose weights are the average itself, not a copy of it.

    It follows the average without being told, and asks for no gradients.
    """
    twin, weights = copy.deepcopy(net).eval().requires_grad_(False), average.state_dict()
    for name, parameter in twin.named_parameters():
        parameter.data = weights[name]
    return twin


def watching_evaluations(params: TrainParams) -> float:
    """Returns about how many network evaluations a whole training spends on being watched."""
    validations = params.num_steps / params.validate_every_steps
    looks = params.num_steps / params.preview_every_steps
    drawn = previews.NUM_IMAGES + params.frechet_samples
    return validations * NUM_VALIDATION + looks * drawn * previews.NUM_EVALUATIONS


@torch.no_grad()
def validation_losses(
    score_fn: ScoreFn, task: Task, params: TrainParams, seed: int
) -> dict[str, float]:
    """Mean loss on held-out images, over all levels and for each, with the same noise every time.

    Pair i joins held-out image i mod N and level i mod L, so that every level is met equally
    often.
    """
    device = task.images.device
    draws = generator(seed, "validate", device=device)
    pair = torch.arange(NUM_VALIDATION, device=device)
    images = task.held_out[pair % len(task.held_out)]
    x = as_floats(images, draws if params.uniform_dequantisation else None)
    batch = Batch(x, pair % len(task.sigmas), torch.randn(x.shape, generator=draws, device=device))
    window = LossWindow(len(task.sigmas), device)
    for part in zip(*(tensor.split(params.batch_size) for tensor in batch), strict=True):
        window.add(task.objective(score_fn, *part), part[1])
    return window.means(VAL_LOSS)

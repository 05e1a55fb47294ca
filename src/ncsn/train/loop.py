"""The training loop: one objective, one network, one log, resumable at any step.

Step n draws from (seed, n) alone (see `batches`), so a run that was killed and resumed ends with
the same bits as an unbroken one on the same machine. The caller brings network, objective and
images.
"""

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ncsn.base.errors import UserError
from ncsn.base.progress import progress_bar
from ncsn.base.reading import remake_hint
from ncsn.base.rng import generator
from ncsn.base.training_names import STEPS_PER_SEC, VAL_LOSS, VAL_PIXEL_FRECHET
from ncsn.config.params import BaseParams, TrainParams
from ncsn.data.arrays import as_floats
from ncsn.maths.ema import WeightAverage
from ncsn.maths.ladder import ladder_index
from ncsn.maths.types import Objective, ScoreFn
from ncsn.runtime.cost import Forecast, write_training_cost
from ncsn.runtime.execution import Execution, autocast_dtype, in_precision
from ncsn.train.batches import Batch, draw_batch
from ncsn.train.checkpoint import MAKER, Checkpoint, load_checkpoint, save_checkpoint
from ncsn.train.log import LOG, PREVIEWS, SPEED, LossWindow, append_row, cut_back
from ncsn.train.previews import preview_distance, write_preview

NUM_VALIDATION = 2000  # pairs of a held-out image and a level
CHECKPOINT = "checkpoint.pt"
COST = "cost.json"


@dataclass(frozen=True)
class Task:
    """What is trained on what: all that the loop needs besides its params.

    `images` and `held_out` are uint8, shape (N, C, H, W), on the network's device; `sigmas` is the
    ladder of the training, or with a `sigma_range`, from which a continuous one draws, the ladder
    of its reports; `described` goes into the checkpoint as its params.
    """

    net: nn.Module
    objective: Objective
    images: Tensor
    held_out: Tensor
    sigmas: Tensor
    described: dict[str, dict[str, Any]]
    sigma_range: tuple[float, float] | None = None


class _State:
    """What a checkpoint holds, alive."""

    def __init__(self, task: Task, params: TrainParams):
        self.step = 0
        self.average = WeightAverage(task.net, params.ema_decay)
        self.window = LossWindow(len(task.sigmas), task.images.device)
        self.optimizer = torch.optim.Adam(
            task.net.parameters(),
            lr=params.learning_rate,
            betas=(params.adam_beta1, params.adam_beta2),
            eps=params.adam_eps,
            fused=True,
        )

    def checkpoint(self, task: Task) -> Checkpoint:
        channels, height, width = task.images.shape[1:]
        return Checkpoint(
            step=self.step,
            params=task.described,
            image_shape=(channels, height, width),
            net=task.net.state_dict(),
            ema=self.average.state_dict(),
            optimizer=self.optimizer.state_dict(),
            window=self.window.state_dict(),
        )

    def load(self, saved: Checkpoint, task: Task) -> None:
        self.step = saved.step
        task.net.load_state_dict(saved.net)
        self.average.load(saved.ema, saved.step)
        self.optimizer.load_state_dict(saved.optimizer)
        self.window.load(saved.window)


def _resume(state: _State, task: Task, path: Path) -> None:
    saved = load_checkpoint(path, task.images.device)
    try:
        state.load(saved, task)
    except (RuntimeError, LookupError, TypeError, ValueError, AttributeError):
        raise UserError(f"{path}: not a checkpoint of this training{remake_hint(MAKER)}") from None


def train(task: Task, params: TrainParams, base: BaseParams, folder: Path) -> Checkpoint:
    """Trains a network, going on from the checkpoint in `folder` when there is one.

    A network without parameters, the exact score, is finished at step 0.

    Args:
        task: network, objective and images; the network ends with its raw weights.
        params: the section train.
        base: seed, and seconds between checkpoints.
        folder: takes the log, the speed, the previews and the unfinished checkpoint.

    Returns:
        The finished checkpoint.

    Raises:
        Diverged: a loss is not finite.
    """
    num_images = params.num_steps * params.batch_size
    flops = write_training_cost(folder / COST, task.net, task.images.shape[1:], num_images)
    if next(task.net.parameters(), None) is None:
        return _nothing_to_train(task, folder)
    state, device = _State(task, params), task.images.device
    if (folder / CHECKPOINT).exists():
        _resume(state, task, folder / CHECKPOINT)
    to_do = (params.num_steps - state.step) * params.batch_size
    forecast = Forecast("train", "image", to_do, flops, device)
    execution = Execution(task.net, params.precision, base.compile, device, flops * to_do)
    cut_back(folder, state.step)
    saved_at = time.monotonic()
    rate = _Rate(state.step)
    with progress_bar(params.num_steps, "step", initial=state.step, label="train") as bar:
        while state.step < params.num_steps:
            _step(task, state, params, base.seed, execution)
            forecast.update(params.batch_size)
            _watch(task, state, params, base.seed, folder, rate)
            bar.update()
            if time.monotonic() - saved_at > base.checkpoint_every_sec:
                save_checkpoint(folder / CHECKPOINT, state.checkpoint(task))
                saved_at = time.monotonic()
    return state.checkpoint(task)


def _nothing_to_train(task: Task, folder: Path) -> Checkpoint:
    cut_back(folder, -1)
    append_row(folder / LOG, {"step": 0})
    channels, height, width = task.images.shape[1:]
    state = task.net.state_dict()
    return Checkpoint(0, task.described, (channels, height, width), state, state, {}, {})


def _step(task: Task, state: _State, params: TrainParams, seed: int, execution: Execution) -> None:
    batch = draw_batch(
        task.images,
        len(task.sigmas),
        params.batch_size,
        seed,
        state.step,
        uniform_dequantisation=params.uniform_dequantisation,
        random_flip=params.random_flip,
        sigma_range=task.sigma_range,
    )
    losses = execution.gradients.compute(task.objective, execution.score_fn, *batch)
    state.optimizer.step()
    state.average.update()
    state.window.add(losses, ladder_index(batch.level, task.sigmas))
    state.step += 1


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


def _watch(
    task: Task, state: _State, params: TrainParams, seed: int, folder: Path, rate: _Rate
) -> None:
    """Logs, validates and draws previews where the step asks for it, and after the last step."""
    last = state.step == params.num_steps
    log, validate, preview = (
        last or state.step % every == 0
        for every in (
            params.log_every_steps,
            params.validate_every_steps,
            params.preview_every_steps,
        )
    )
    if not (log or validate or preview):
        return
    rate.pause()
    dtype = autocast_dtype(params.precision, task.images.device)
    averaged = in_precision(partial(_averaged_scores, task.net, state.average), dtype)
    row: dict[str, float] = {"step": state.step}
    if log:
        row |= state.window.means()
        state.window.clear()
        speed = {"step": state.step, STEPS_PER_SEC: rate.read(state.step)}
        append_row(folder / SPEED, speed)
    if validate:
        row |= validation_losses(averaged, task, params, seed)
    if preview and params.frechet_samples:
        row[VAL_PIXEL_FRECHET] = preview_distance(
            averaged, task.sigmas, task.held_out, params.frechet_samples, seed
        )
    if len(row) > 1:
        append_row(folder / LOG, row)
    if preview:
        path = folder / PREVIEWS / f"step_{state.step:08d}.png"
        write_preview(path, averaged, task.sigmas, task.images.shape[1:], seed)
    rate.resume()


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


@torch.no_grad()
def _averaged_scores(net: nn.Module, average: WeightAverage, x: Tensor, level: Tensor) -> Tensor:
    scores: Tensor = functional_call(net, average.state_dict(), (x, level))
    return scores

"""The training loop: one objective, one network, one log, resumable at any step.

Step n draws from (seed, n) alone (see `batches`), so a run that was killed and resumed ends with
the same bits as an unbroken one on the same CPU and number of threads, which a small network has
one of anywhere (see `runtime.threads`); on a GPU with base.deterministic alone, else the last
digits may differ. Between two lines of the log nothing waits for the device. The caller brings
network, objective and images. Several ranks (see `runtime.ranks`) take a slice of each batch each
and have the same weights after every step; a checkpoint does not know how many there were.
"""

import time
from pathlib import Path
from typing import Any

import torch

from ncsn.base.errors import UserError
from ncsn.base.progress import progress_bar
from ncsn.base.reading import remake_hint
from ncsn.builders.recipe import build_average_profile, build_learning_rate, build_level_sampling
from ncsn.config.params import BaseParams, TrainParams
from ncsn.maths.ema import WeightAverage
from ncsn.maths.ladder import ladder_index
from ncsn.runtime.cost import Forecast, training_flops, write_training_cost
from ncsn.runtime.execution import Execution
from ncsn.runtime.ranks import ALONE, Ranks
from ncsn.runtime.threads import computing_threads, threads_for
from ncsn.runtime.way import PRECISION, chosen_way
from ncsn.train.batches import draw_batch
from ncsn.train.checkpoint import MAKER, Checkpoint, load_checkpoint
from ncsn.train.log import LOG, LossWindow, append_row, cut_back
from ncsn.train.task import Task, training_seed
from ncsn.train.watching import Watcher
from ncsn.train.writer import CheckpointWriter

__all__ = ["CHECKPOINT", "COST", "Task", "train"]

CHECKPOINT = "checkpoint.pt"
COST = "cost.json"


class _State:
    """What a checkpoint holds, alive, and what of the params changes from step to step."""

    def __init__(self, task: Task, params: TrainParams):
        self.step = 0
        self.execution: dict[str, Any] = {}
        self.average = WeightAverage(task.net, build_average_profile(params))
        self.learning_rate = build_learning_rate(params)
        self.level_at = build_level_sampling(params, task.sigmas, task.sigma_range)
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
            execution=self.execution,
        )

    def load(self, saved: Checkpoint, task: Task) -> None:
        self.step, self.execution = saved.step, saved.execution
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


def train(
    task: Task, params: TrainParams, base: BaseParams, folder: Path, ranks: Ranks = ALONE
) -> Checkpoint:
    """Trains a network, going on from the checkpoint in `folder` when there is one.

    A network without parameters, the exact score, is finished at step 0. The first rank alone
    logs, watches and saves; the others end here.

    Args:
        task: network, objective and images; the network ends with its raw weights.
        params: the section train.
        base: seed, and seconds between checkpoints.
        folder: takes the log, the speed, the previews and the unfinished checkpoint; one for all
            ranks.
        ranks: those that the training is shared among.

    Returns:
        The finished checkpoint.

    Raises:
        Diverged: a loss is not finite.
        UserError: there are more ranks than images in a batch.
    """
    num_images = params.num_steps * params.batch_size
    flops = training_flops(task.net, task.images.shape[1:])
    if next(task.net.parameters(), None) is None:
        ranks.only_first_goes_on()
        return _nothing_to_train(task, folder)
    ranks.require_batch(params.batch_size)
    state, device = _State(task, params), task.images.device
    seed = training_seed(params, base)
    if (folder / CHECKPOINT).exists():
        _resume(state, task, folder / CHECKPOINT)
    ranks.require_same_step(state.step)
    if ranks.is_first:
        cut_back(folder, state.step)
    began_in = state.execution.get(PRECISION, "")
    way = chosen_way(params.precision, base, device, flops * num_images, began_in)
    params = params.model_copy(update={"precision": way.precision})
    watch = Watcher(task, state.average, params, base, folder, flops, state.step)
    threads = threads_for(flops * params.batch_size / ranks.size, device)
    execution = Execution(task.net, device, way, threads)
    state.execution = execution.described()
    to_do = (params.num_steps - state.step) * params.batch_size
    forecast = Forecast("train", "image", to_do, flops, device)
    saved_at = time.monotonic()
    with (
        computing_threads(threads),
        progress_bar(params.num_steps, "step", initial=state.step, label="train") as bar,
        CheckpointWriter(folder / CHECKPOINT) as writer,
    ):
        while state.step < params.num_steps:
            _step(task, state, params, seed, execution, ranks)
            forecast.update(params.batch_size)
            bar.update()
            if not ranks.is_first:
                continue
            watch(state.step, state.window)
            writer.check()
            if time.monotonic() - saved_at > base.checkpoint_every_sec:
                writer.write(state.checkpoint(task))
                saved_at = time.monotonic()
    ranks.only_first_goes_on()
    state.execution = execution.described()
    write_training_cost(folder / COST, flops, num_images, state.execution)
    return state.checkpoint(task)


def _nothing_to_train(task: Task, folder: Path) -> Checkpoint:
    cut_back(folder, -1)
    append_row(folder / LOG, {"step": 0})
    write_training_cost(folder / COST, 0, 0, {})
    channels, height, width = task.images.shape[1:]
    state = task.net.state_dict()
    return Checkpoint(0, task.described, (channels, height, width), state, state, {}, {})


def _step(
    task: Task,
    state: _State,
    params: TrainParams,
    seed: int,
    execution: Execution,
    ranks: Ranks = ALONE,
) -> None:
    batch = draw_batch(
        task.images,
        len(task.sigmas),
        params.batch_size,
        seed,
        state.step,
        uniform_dequantisation=params.uniform_dequantisation,
        random_flip=params.random_flip,
        level_at=state.level_at,
    )
    x, level, z = ranks.part(*batch)
    losses = execution.gradients.compute(task.objective, execution.score_fn, x, level, z)
    losses = ranks.mean_gradients(task.net, losses, params.batch_size)
    for group in state.optimizer.param_groups:
        group["lr"] = state.learning_rate(state.step)
    state.optimizer.step()
    state.average.update()
    state.window.add(losses, ladder_index(batch.level, task.sigmas))
    state.step += 1

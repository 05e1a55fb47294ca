"""One of several processes that train and draw together; tests/runtime/test_ranks.py runs it.

`python ranks_group.py FOLDER`, with the environment of torchrun.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch
from tiny_training import BASE, params_of, task_of
from torch import Tensor, nn

import ncsn.train.loop
import ncsn.train.previews
import ncsn.train.watching
from ncsn.base.rng import generator
from ncsn.builders.sampler import build_sampler
from ncsn.config.params import BaseParams, SampleParams, SamplerParams
from ncsn.runtime.ranks import ALONE, Ranks, join
from ncsn.sample.blocks import Draw, Samples, draw_samples
from ncsn.train.checkpoint import Checkpoint, save_checkpoint
from ncsn.train.loop import train
from ncsn.train.task import Task

PARAMS = params_of(num_steps=9, level_sampling_power=-0.5, ema_profile="power")
SAVING = BASE.model_copy(update={"checkpoint_every_sec": 1e-9})
BROKEN, BREAKS_AT = "broken", 5


class Staying(Ranks):
    """All ranks go on to the end, so that each can tell what it has."""

    def only_first_goes_on(self) -> None:
        self.wait()


class NotAveraged(Staying):
    """A planted fault: each rank keeps the gradients of its slice."""

    def mean_gradients(self, net: nn.Module, losses: Tensor, count: int) -> Tensor:
        own = [p.grad.clone() for p in net.parameters() if p.grad is not None]
        whole = super().mean_gradients(net, losses, count)
        for parameter, gradient in zip(net.parameters(), own, strict=True):
            parameter.grad = gradient
        return whole


class EqualWeights(Staying):
    """A planted fault: a slice weighs the same, however many images it has."""

    def mean_gradients(self, net: nn.Module, losses: Tensor, count: int) -> Tensor:
        for parameter in net.parameters():
            assert parameter.grad is not None
            parameter.grad *= count / self.size / len(losses)
        return super().mean_gradients(net, losses, count)


class Misplaced(Staying):
    """A planted fault: each rank takes the first slice."""

    def part(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor[: len(tensor) // self.size] for tensor in tensors)

    def _slice(self, count: int) -> slice:
        start = self.rank * (count // self.size)
        return slice(start, start + count // self.size)


KINDS = {kind.__name__: kind for kind in (Staying, NotAveraged, EqualWeights, Misplaced)}


def small_work_for_watchers() -> None:
    """As in tests/train/test_loop.py."""
    ncsn.train.watching.NUM_VALIDATION = 24
    ncsn.train.previews.NUM_EVALUATIONS = 3


class SmallNet(nn.Module):
    """A score of few operations, each image by itself, with weights of its levels."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.levels = nn.Conv2d(1, 6, 3, padding=1), nn.Embedding(3, 6)
        self.out = nn.Conv2d(6, 1, 3, padding=1)
        draws = generator("small net")
        for parameter in self.parameters():
            parameter.data = 0.3 * torch.randn(parameter.shape, generator=draws)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return self.out(torch.tanh(self.into(x) + self.levels(level)[:, :, None, None]))


def small_task() -> Task:
    """The tiny training's, with a network that takes no time."""
    return dataclasses.replace(task_of(PARAMS), net=SmallNet())


def trained(folder: Path, ranks: Ranks = ALONE, base: BaseParams = BASE) -> Checkpoint:
    """A tiny training, from the checkpoint in `folder` where there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    return train(small_task(), PARAMS, base, folder, ranks)


def drawn(folder: Path, ranks: Ranks = ALONE) -> Samples:
    """Images of an untrained network: five blocks, of which the last is smaller."""
    folder.mkdir(parents=True, exist_ok=True)
    task = small_task()
    sampler = SamplerParams(
        name="annealed_langevin", epsilon=5e-4, steps_per_level=3, final_denoise=True
    )
    params = SampleParams(
        num_samples=18, seed=5, block_size=4, num_trajectory_images=2, precision="fp32"
    )
    draw = Draw(build_sampler(sampler, task.sigmas), task.net, (1, 8, 8), 10)
    return draw_samples(draw, params, 4, folder, ranks)


class _Broken(BaseException):
    pass


def _broken(folder: Path, ranks: Ranks) -> None:
    """A training that all ranks leave at the same step, behind its checkpoint."""
    whole = ncsn.train.loop._step

    def step(task, state, *rest):
        if state.step == BREAKS_AT:
            raise _Broken
        whole(task, state, *rest)

    ncsn.train.loop._step = step
    try:
        trained(folder, ranks, SAVING)
    except _Broken:
        ranks.wait()
    ncsn.train.loop._step = whole


def main(folder: Path) -> None:
    """Trains rightly and with each fault, draws, goes on with another's training."""
    small_work_for_watchers()
    joined = join(BASE)
    for name, kind in KINDS.items():
        ranks = kind(joined.device, joined.rank, joined.size)
        saved = trained(folder / name, ranks)
        save_checkpoint(folder / f"{name}-{ranks.rank}.pt", saved)
    ranks = Staying(joined.device, joined.rank, joined.size)
    if joined.size == 2:
        _broken(folder / BROKEN, ranks)
    elif (folder / BROKEN).exists():
        save_checkpoint(folder / f"{BROKEN}-{ranks.rank}.pt", trained(folder / BROKEN, ranks))
    samples = drawn(folder / "blocks", ranks)
    if ranks.is_first:
        np.savez(folder / "samples.npz", images=samples.images, states=samples.states)
    assert torch.distributed.is_initialized()
    joined.only_first_goes_on()
    assert joined.is_first and not torch.distributed.is_initialized()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

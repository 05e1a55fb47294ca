"""Drawing many images: blocks with their own generators, written as they are finished.

Block b of `block_size` images draws all its noise from (seed, b). How many blocks go through the
network at once, and on how many devices, changes nothing but speed; an interrupted draw goes on at
the next block.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ncsn.data.arrays import to_hwc, to_uint8
from ncsn.errors import Diverged
from ncsn.io import read_npz, write_npz
from ncsn.params import SampleParams
from ncsn.progress import progress_bar
from ncsn.rng import generator

ScoreFn = Callable[[Tensor, Tensor], Tensor]
NoiseFn = Callable[[Tensor], Tensor]
OnLevel = Callable[[int, Tensor], None]
Sampler = Callable[[ScoreFn, Tensor, NoiseFn, OnLevel | None], Tensor]

MAX_TRAJECTORY_STATES = 12


class Samples(NamedTuple):
    """Drawn images and the path of the first of them.

    `images` is uint8, shape (N, H, W, C); `states` uint8, shape (K, n, H, W, C): the start, then
    states at the end of evenly spaced levels; `state_sigmas` (K,) float64 names their levels, 0
    for the start.
    """

    images: np.ndarray
    states: np.ndarray
    state_sigmas: np.ndarray


@dataclass(frozen=True)
class Draw:
    """What is drawn: sampler and score, the ladder, and the images' shape (C, H, W)."""

    sampler: Sampler
    score_fn: ScoreFn
    sigmas: Tensor
    image_shape: tuple[int, int, int]
    evaluations_per_image: int


class BlockNoise:
    """Standard normal noise for several blocks at once, each from its own generator.

    A block always draws for `block_size` images, also where fewer are wanted, so that image i does
    not depend on how many are drawn in all.
    """

    def __init__(
        self, blocks: Sequence[int], sizes: Sequence[int], params: SampleParams, draw: Draw
    ):
        device = draw.sigmas.device
        self._shape = (params.block_size, *draw.image_shape)
        self._sizes = sizes
        self._generators = [
            generator(params.seed, "sample", block, device=device) for block in blocks
        ]

    def start(self) -> Tensor:
        """Uniform noise in [0, 1), the start of Algorithm 1, shape (B, C, H, W)."""
        return self._cat(torch.rand)

    def __call__(self, x: Tensor) -> Tensor:
        """Standard normal noise of the shape of x."""
        return self._cat(torch.randn)

    def _cat(self, draw: Callable[..., Tensor]) -> Tensor:
        parts = (draw(self._shape, generator=g, device=g.device) for g in self._generators)
        return torch.cat([part[:size] for part, size in zip(parts, self._sizes, strict=True)])


@torch.inference_mode()
def draw_samples(draw: Draw, params: SampleParams, max_batch_size: int, folder: Path) -> Samples:
    """Draws `params.num_samples` images, going on after the blocks that `folder` already holds.

    Args:
        draw: what is drawn.
        params: the section sample.
        max_batch_size: images at once in the network; at least one block.
        folder: takes the finished blocks.

    Raises:
        Diverged: a chain left the finite numbers.
    """
    sizes = _block_sizes(params)
    missing = [b for b in range(len(sizes)) if not _block_path(folder, b).exists()]
    at_once = max(1, max_batch_size // params.block_size)
    total = params.num_samples * draw.evaluations_per_image
    initial = total - sum(sizes[b] for b in missing) * draw.evaluations_per_image
    with progress_bar(total, "eval", initial=initial, label="sample") as bar:
        for first in range(0, len(missing), at_once):
            _draw_blocks(draw, params, missing[first : first + at_once], sizes, folder, bar)
    return _collected(folder, len(sizes))


def _draw_blocks(
    draw: Draw,
    params: SampleParams,
    blocks: Sequence[int],
    sizes: Sequence[int],
    folder: Path,
    bar: tqdm,
) -> None:
    """Draws some blocks together and writes each to its own file; the path goes with block 0."""
    block_sizes = [sizes[block] for block in blocks]
    noise = BlockNoise(blocks, block_sizes, params, draw)
    x = noise.start()
    path = _Path(draw, params, x) if 0 in blocks else None

    def counted(state: Tensor, level: Tensor) -> Tensor:
        bar.update(len(state))
        return draw.score_fn(state, level)

    x = draw.sampler(counted, x, noise, path.record if path else None)
    if not bool(torch.isfinite(x).all()):
        raise Diverged(
            f"sampling diverged in block {blocks[0]}: pixel values are not finite. "
            "Lower sampler.epsilon in params.yaml (it must stay well below 4 * sigma_min^2)"
        )
    for block, part in zip(blocks, to_uint8(x).split(block_sizes), strict=True):
        states = path.arrays() if path and block == 0 else {}
        write_npz(_block_path(folder, block), images=to_hwc(part), **states)


class _Path:
    """States of the first images along the annealing."""

    def __init__(self, draw: Draw, params: SampleParams, start: Tensor):
        num_levels = len(draw.sigmas)
        count = min(num_levels, MAX_TRAJECTORY_STATES)
        self._levels = set(np.linspace(num_levels - 1, 0, count).round().astype(int).tolist())
        self._num_images = min(params.num_trajectory_images, params.block_size)
        self._sigma_of = draw.sigmas.tolist()
        self._states = [to_uint8(start[: self._num_images])]
        self._sigmas = [0.0]

    def record(self, level: int, x: Tensor) -> None:
        if level in self._levels:
            # a chain that diverges is reported at its end
            self._states.append(to_uint8(torch.nan_to_num(x[: self._num_images])))
            self._sigmas.append(self._sigma_of[level])

    def arrays(self) -> dict[str, np.ndarray]:
        states = np.stack([to_hwc(state) for state in self._states])
        return {"states": states, "state_sigmas": np.array(self._sigmas)}


def _block_sizes(params: SampleParams) -> list[int]:
    full, rest = divmod(params.num_samples, params.block_size)
    return [params.block_size] * full + [rest] * (rest > 0)


def _block_path(folder: Path, block: int) -> Path:
    return folder / f"block_{block:06d}.npz"


def _collected(folder: Path, num_blocks: int) -> Samples:
    blocks = [read_npz(_block_path(folder, block)) for block in range(num_blocks)]
    images = np.concatenate([block["images"] for block in blocks])
    return Samples(images, blocks[0]["states"], blocks[0]["state_sigmas"])

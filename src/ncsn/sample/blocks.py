"""Drawing many images: blocks with their own generators, written as they are finished.

Block b of `block_size` images draws all its noise from (seed, b). How many blocks go through the
network at once, and on how many devices, changes nothing but speed; an interrupted draw goes on at
the next block.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ncsn.base.errors import Diverged
from ncsn.base.files import read_npz, write_npz
from ncsn.base.progress import progress_bar
from ncsn.base.rng import generator
from ncsn.config.params import SampleParams
from ncsn.data.arrays import to_hwc, to_uint8
from ncsn.maths.samplers.annealing import Kernel, sample
from ncsn.maths.types import ScoreFn
from ncsn.runtime.cost import Forecast

MAX_TRAJECTORY_STATES = 12


class Samples(NamedTuple):
    """Drawn images and the path of the first of them.

    `images` is uint8, shape (N, H, W, C); `states` uint8, shape (K, n, H, W, C): the start, then
    states at the end of evenly spaced levels; `state_sigmas` (K,) float64 names their levels, 0
    for the start. `seconds` were spent on drawing, before and after interruptions.
    """

    images: np.ndarray
    states: np.ndarray
    state_sigmas: np.ndarray
    seconds: float


@dataclass(frozen=True)
class Draw:
    """What is drawn: chain and score, the images' shape (C, H, W), and the cost."""

    kernel: Kernel
    score_fn: ScoreFn
    image_shape: tuple[int, int, int]
    evaluations_per_image: int
    flops_per_evaluation: int = 0  # 0 makes no forecast


class BlockNoise:
    """Standard normal noise for several blocks at once, each from its own generator.

    A block always draws for `block_size` images, also where fewer are wanted, so that image i does
    not depend on how many are drawn in all.
    """

    def __init__(
        self, blocks: Sequence[int], sizes: Sequence[int], params: SampleParams, draw: Draw
    ):
        device = draw.kernel.sigmas.device
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
    forecast = Forecast(
        "sample",
        "evaluation",
        total - initial,
        draw.flops_per_evaluation,
        draw.kernel.sigmas.device,
    )
    with progress_bar(total, "eval", initial=initial, label="sample") as bar:

        def count(evaluations: int) -> None:
            bar.update(evaluations)
            forecast.update(evaluations)

        for first in range(0, len(missing), at_once):
            _draw_blocks(draw, params, missing[first : first + at_once], sizes, folder, count)
    return _collected(folder, sizes, draw.image_shape)


def _draw_blocks(
    draw: Draw,
    params: SampleParams,
    blocks: Sequence[int],
    sizes: Sequence[int],
    folder: Path,
    count: Callable[[int], None],
) -> None:
    """Draws some blocks together and writes each to its own file; the path goes with block 0."""
    begin, block_sizes = time.perf_counter(), [sizes[block] for block in blocks]
    noise = BlockNoise(blocks, block_sizes, params, draw)
    x = noise.start()
    path = _Path(draw, params, x) if 0 in blocks else None

    def counted(state: Tensor, level: Tensor) -> Tensor:
        score = draw.score_fn(state, level)
        count(len(state))
        return score

    x = sample(draw.kernel, counted, x, noise, path.record if path else None)
    if not bool(torch.isfinite(x).all()):
        raise Diverged(
            f"sampling diverged in block {blocks[0]}: pixel values are not finite. "
            "Lower sampler.epsilon in params.yaml (it must stay well below 4 * sigma_min^2)"
        )
    parts = to_uint8(x).cpu().split(block_sizes)
    seconds = np.array((time.perf_counter() - begin) / len(blocks))
    for block, part in zip(blocks, parts, strict=True):
        states = path.arrays() if path and block == 0 else {}
        write_npz(_block_path(folder, block), images=to_hwc(part), seconds=seconds, **states)


class _Path:
    """States of the first images along the annealing."""

    def __init__(self, draw: Draw, params: SampleParams, start: Tensor):
        num_levels = len(draw.kernel.sigmas)
        count = min(num_levels, MAX_TRAJECTORY_STATES)
        self._levels = set(np.linspace(num_levels - 1, 0, count).round().astype(int).tolist())
        self._num_images = min(params.num_trajectory_images, params.block_size)
        self._sigma_of = draw.kernel.sigmas.tolist()
        self._states = [start[: self._num_images].clone()]
        self._sigmas = [0.0]

    def record(self, level: int, x: Tensor) -> None:
        if level in self._levels:
            # a chain that diverges is reported at its end; bytes are made there too, since that
            # waits for the device
            self._states.append(torch.nan_to_num(x[: self._num_images]))
            self._sigmas.append(self._sigma_of[level])

    def arrays(self) -> dict[str, np.ndarray]:
        states = np.stack([to_hwc(to_uint8(state)) for state in self._states])
        return {"states": states, "state_sigmas": np.array(self._sigmas)}


def _block_sizes(params: SampleParams) -> list[int]:
    full, rest = divmod(params.num_samples, params.block_size)
    return [params.block_size] * full + [rest] * (rest > 0)


def _block_path(folder: Path, block: int) -> Path:
    return folder / f"block_{block:06d}.npz"


def _collected(folder: Path, sizes: Sequence[int], image_shape: tuple[int, int, int]) -> Samples:
    channels, height, width = image_shape
    images = np.empty((sum(sizes), height, width, channels), np.uint8)
    seconds, filled = 0.0, 0
    for block, size in enumerate(sizes):
        arrays = read_npz(_block_path(folder, block))
        images[filled : filled + size] = arrays["images"]
        seconds, filled = seconds + float(arrays["seconds"]), filled + size
    first = read_npz(_block_path(folder, 0))
    return Samples(images, first["states"], first["state_sigmas"], seconds)

"""Drawing many images: blocks with their own generators, written as they are finished.

Block b of `block_size` images draws all its noise from (seed, b). How many blocks go through the
network at once, in how many threads side by side, and on how many devices, changes nothing but
speed; an interrupted draw goes on at the next block.

On a CPU each thread draws blocks of its own, one operation after the other: threads that never
wait for each other are as fast as the cores allow, and on cores that other processes use too.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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
from ncsn.runtime.ranks import ALONE, Ranks
from ncsn.runtime.threads import computing_threads, threads_for

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
    """What is drawn: chain and score, the images' shape (C, H, W), and the cost.

    With `side_by_side` several threads may call `score_fn` at once. `execution` says how the score
    runs; a compiler may fail on the way.
    """

    kernel: Kernel
    score_fn: ScoreFn
    image_shape: tuple[int, int, int]
    evaluations_per_image: int
    flops_per_evaluation: int = 0  # 0 makes no forecast
    side_by_side: bool = False
    execution: Callable[[], dict[str, Any]] = dict


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


def draw_samples(
    draw: Draw, params: SampleParams, max_batch_size: int, folder: Path, ranks: Ranks = ALONE
) -> Samples:
    """Draws `params.num_samples` images, going on after the blocks that `folder` already holds.

    Args:
        draw: what is drawn.
        params: the section sample.
        max_batch_size: images at once in the network, all threads together; at least one block.
        folder: takes the finished blocks; one for all ranks.
        ranks: those that the blocks are dealt to; all but the first end here.

    Raises:
        Diverged: a chain left the finite numbers.
    """
    sizes = _block_sizes(params)
    missing = ranks.of_the_first(
        [b for b in range(len(sizes)) if not _block_path(folder, b).exists()]
    )
    mine = ranks.dealt(missing)
    to_do = sum(sizes[b] for b in mine) * draw.evaluations_per_image
    done = (params.num_samples - sum(sizes[b] for b in missing)) * draw.evaluations_per_image
    forecast = Forecast(
        "sample", "evaluation", to_do, draw.flops_per_evaluation, draw.kernel.sigmas.device
    )
    calls, num_drawers = _calls(mine, max_batch_size // params.block_size, draw)
    with progress_bar(done + to_do, "eval", initial=done, label="sample") as bar:
        counters = [bar.update, forecast.update]
        at_once = num_drawers * ranks.size
        drawing = _Drawing(draw, params, sizes, folder, num_drawers, at_once, counters)
        threads = _threads_of_a_drawer(draw, params.block_size, calls, num_drawers)
        with computing_threads(threads):
            drawing.all(calls)
    ranks.only_first_goes_on()
    return _collected(folder, sizes, draw.image_shape)


def _calls(missing: Sequence[int], at_once: int, draw: Draw) -> tuple[list[list[int]], int]:
    """Which blocks go through the network together, and how many threads draw side by side.

    All threads together have `at_once` blocks in the network, and as many calls as each other.
    """
    available = torch.get_num_threads() if draw.side_by_side else 1
    num_drawers = max(1, min(available, len(missing), at_once))
    size = max(1, at_once // num_drawers)
    rounds = -(-len(missing) // (size * num_drawers))
    num_calls = min(len(missing), rounds * num_drawers)
    parts = np.array_split(np.array(missing), num_calls) if missing else []
    return [part.tolist() for part in parts], num_drawers


def _threads_of_a_drawer(
    draw: Draw, block_size: int, calls: Sequence[Sequence[int]], num_drawers: int
) -> int:
    available = max(1, torch.get_num_threads() // num_drawers)
    if not draw.flops_per_evaluation or not calls:
        return available
    flops = draw.flops_per_evaluation * block_size * len(calls[0])
    return min(available, threads_for(flops, draw.kernel.sigmas.device))


class _Stopped(Exception):
    """Another thread has failed, or the user has ended the work."""


class _Drawing:
    """Draws blocks, each to a file of its own, in one thread or several side by side.

    Args:
        draw: what is drawn.
        params: the section sample.
        sizes: images of each block.
        folder: takes the finished blocks.
        num_drawers: threads.
        at_once: threads of all ranks, which share the time that passes.
        counters: are told how many images went through the network.
    """

    def __init__(
        self,
        draw: Draw,
        params: SampleParams,
        sizes: Sequence[int],
        folder: Path,
        num_drawers: int,
        at_once: int,
        counters: Sequence[Callable[[int], object]],
    ):
        self.draw, self.params, self.sizes, self.folder = draw, params, sizes, folder
        self.num_drawers, self.at_once, self.counters = num_drawers, at_once, counters
        self.lock, self.stopped = threading.Lock(), False

    def all(self, calls: Sequence[Sequence[int]]) -> None:
        """Draws everything; the first error ends all threads at their next evaluation."""
        if self.num_drawers == 1:
            for blocks in calls:
                self.blocks(blocks)
            return
        # a thread of its own starts with OpenMP's number of threads, not with that of its maker
        start, threads = torch.set_num_threads, torch.get_num_threads()
        with ThreadPoolExecutor(self.num_drawers, "draw", start, (threads,)) as pool:
            futures = [pool.submit(self.blocks, blocks) for blocks in calls]
            try:
                wait(futures, return_when=FIRST_EXCEPTION)
            finally:
                self.stopped = not all(future.done() for future in futures)
                pool.shutdown(cancel_futures=True)
        errors = [future.exception() for future in futures if not future.cancelled()]
        for error in errors:
            if error is not None and not isinstance(error, _Stopped):
                raise error

    @torch.inference_mode()
    def blocks(self, blocks: Sequence[int]) -> None:
        """Draws some blocks together and writes each to its file; the path goes with block 0."""
        draw, params = self.draw, self.params
        begin, sizes = time.perf_counter(), [self.sizes[block] for block in blocks]
        noise = BlockNoise(blocks, sizes, params, draw)
        x = noise.start()
        path = _Path(draw, params, x) if 0 in blocks else None
        x = sample(draw.kernel, self._score, x, noise, path.record if path else None)
        if not bool(torch.isfinite(x).all()):
            raise Diverged(
                f"sampling diverged in block {blocks[0]}: pixel values are not finite. "
                "Lower sampler.epsilon in params.yaml (it must stay well below 4 * sigma_min^2)"
            )
        parts = to_uint8(x).cpu().split(sizes)
        seconds = np.array((time.perf_counter() - begin) / len(blocks) / self.at_once)
        for block, part in zip(blocks, parts, strict=True):
            states = path.arrays() if path and block == 0 else {}
            images = to_hwc(part)
            write_npz(_block_path(self.folder, block), images=images, seconds=seconds, **states)

    def _score(self, state: Tensor, level: Tensor) -> Tensor:
        if self.stopped:
            raise _Stopped
        score = self.draw.score_fn(state, level)
        with self.lock:
            for counter in self.counters:
                counter(len(state))
        return score


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

"""Small sample grids for people who watch a training, and a number for sweeps that prune.

Few steps per level, at the paper's ratio of step to noise, whatever the section sampler says: a
training must not depend on how its network is sampled later.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ncsn.base.files import whole_file
from ncsn.base.image_grid import image_grid
from ncsn.base.rng import generator
from ncsn.data.arrays import to_hwc, to_uint8
from ncsn.maths.frechet import GaussianStatistics, frechet_distance, gaussian_statistics
from ncsn.maths.samplers.annealing import sample
from ncsn.maths.samplers.langevin import annealed_langevin
from ncsn.maths.types import ScoreFn

NUM_COLUMNS = 8
NUM_IMAGES = 16
NUM_EVALUATIONS = 100
STEP_RATIO = 0.2  # alpha_i / sigma_i^2 of the paper's settings, 2e-5 / 0.01^2
MIN_WIDTH_PX = 256
BLOCK_SIZE = 256


@torch.no_grad()
def preview_images(
    score_fn: ScoreFn,
    sigmas: Tensor,
    image_shape: Sequence[int],
    draws: torch.Generator,
    count: int = NUM_IMAGES,
) -> Tensor:
    """Draws a few images, uint8 (count, C, H, W); non-finite pixels of a bad network are black.

    Args:
        score_fn: maps (x, level) to scores.
        sigmas: the ladder, on the device of the network.
        image_shape: (C, H, W).
        draws: all noise, on the same device.
        count: number of images.
    """
    shape = (count, *image_shape)
    randn = partial(torch.randn, shape, generator=draws, device=sigmas.device)
    kernel = annealed_langevin(
        sigmas,
        epsilon=STEP_RATIO * float(sigmas[-1]) ** 2,
        steps_per_level=max(1, NUM_EVALUATIONS // len(sigmas)),
        final_denoise=True,
    )
    start = torch.rand(shape, generator=draws, device=sigmas.device)
    x = sample(kernel, score_fn, start, lambda _: randn())
    return to_uint8(torch.nan_to_num(x))


def write_preview(
    path: Path, score_fn: ScoreFn, sigmas: Tensor, image_shape: Sequence[int], seed: int
) -> None:
    """Draws a few images from the same noise every time and writes them as one PNG grid."""
    draws = generator(seed, "preview", device=sigmas.device)
    write_grid(path, preview_images(score_fn, sigmas, image_shape, draws))


def preview_distance(
    score_fn: ScoreFn, sigmas: Tensor, real: Tensor, num_samples: int, seed: int
) -> float:
    """Frechet distance in raw pixels of images drawn like previews, the same noise every time.

    Args:
        score_fn: maps (x, level) to scores.
        sigmas: the ladder, on the device of the network.
        real: images to compare with, uint8, shape (M, C, H, W).
        num_samples: images drawn, in blocks of 256.
        seed: names the noise.
    """
    blocks = []
    for block, begin in enumerate(range(0, num_samples, BLOCK_SIZE)):
        draws = generator(seed, "frechet", block, device=sigmas.device)
        size = min(BLOCK_SIZE, num_samples - begin)
        blocks.append(preview_images(score_fn, sigmas, real.shape[1:], draws, size))
    return frechet_distance(_pixel_statistics(torch.cat(blocks)), _pixel_statistics(real))


def _pixel_statistics(images: Tensor) -> GaussianStatistics:
    return gaussian_statistics(images.flatten(1), scale=1 / 255)


def write_grid(path: Path, images: Tensor) -> None:
    """Writes uint8 images (N, C, H, W) as a grid of eight per row, enlarged by a whole number."""
    scale = -(-MIN_WIDTH_PX // (NUM_COLUMNS * images.shape[3]))
    pixels = image_grid(to_hwc(images), NUM_COLUMNS, scale)
    image = Image.fromarray(pixels[:, :, 0] if images.shape[1] == 1 else pixels)
    with whole_file(path) as partial_path:
        image.save(partial_path, format="PNG")

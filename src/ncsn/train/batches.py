"""What one training step sees, as a function of (seed, step) alone.

Nothing is carried from step to step, so a resumed training draws what an unbroken one would have
drawn.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ncsn.base.rng import generator
from ncsn.data.arrays import as_floats
from ncsn.data.epochs import batch_indices


class Batch(NamedTuple):
    """Clean images x (B, C, H, W) in [0, 1], noise levels (B,), standard normal z.

    A level is an index into the ladder, int64, or with a continuous training the sigma itself.
    """

    x: Tensor
    level: Tensor
    z: Tensor


def draw_batch(
    images: Tensor,
    num_levels: int,
    batch_size: int,
    seed: int,
    step: int,
    *,
    uniform_dequantisation: bool,
    random_flip: bool,
    sigma_range: tuple[float, float] | None = None,
) -> Batch:
    """Draws the batch of one step from (seed, step), on the device of the images.

    Args:
        images: all training images, uint8, shape (N, C, H, W).
        num_levels: levels are drawn uniformly (Song & Ermon 2019, Eq. 6).
        batch_size: images a step.
        seed: names the training.
        step: from 0.
        uniform_dequantisation: (k + u) / 256 with u uniform in [0, 1), as the paper; else k / 255.
        random_flip: mirrors each image left to right with probability 1/2.
        sigma_range: largest and smallest sigma of a continuous training, which draws sigmas in
            place of levels; None draws levels.
    """
    device = images.device
    draws = generator(seed, "train", step, device=device)
    chosen = images[batch_indices(len(images), batch_size, seed, step, device)]
    x = as_floats(chosen, draws if uniform_dequantisation else None)
    if random_flip:
        flipped = torch.rand(batch_size, generator=draws, device=device) < 0.5
        x = torch.where(flipped[:, None, None, None], x.flip(3), x)
    if sigma_range is None:
        level = torch.randint(num_levels, (batch_size,), generator=draws, device=device)
    else:
        level = log_uniform(*sigma_range, torch.rand(batch_size, generator=draws, device=device))
    return Batch(x, level, torch.randn(x.shape, generator=draws, device=device))


def log_uniform(largest: float, smallest: float, uniform: Tensor) -> Tensor:
    """From `largest` where `uniform` is 0 to `smallest` where it is 1, even in the logarithm."""
    return largest * (smallest / largest) ** uniform

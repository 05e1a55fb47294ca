"""What one training step sees, as a function of (seed, step) alone.

Nothing is carried from step to step, so a resumed training draws what an unbroken one would have
drawn.
"""

from collections.abc import Callable
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
    level_at: Callable[[Tensor], Tensor] | None = None,
) -> Batch:
    """Draws the batch of one step from (seed, step), on the device of the images.

    Args:
        images: all training images, uint8, shape (N, C, H, W).
        num_levels: of the ladder.
        batch_size: images per step.
        seed: names the training.
        step: from 0.
        uniform_dequantisation: (k + u) / 256 with u uniform in [0, 1), as the paper; else k / 255.
        random_flip: mirrors each image left to right with probability 1/2.
        level_at: maps numbers that are uniform in [0, 1), shape (B,), to levels; None draws all
            levels alike (Song & Ermon 2019, Eq. 6).
    """
    device = images.device
    draws = generator(seed, "train", step, device=device)
    chosen = images[batch_indices(len(images), batch_size, seed, step, device)]
    x = as_floats(chosen, draws if uniform_dequantisation else None)
    if random_flip:
        flipped = torch.rand(batch_size, generator=draws, device=device) < 0.5
        x = torch.where(flipped[:, None, None, None], x.flip(3), x)
    if level_at is None:
        level = torch.randint(num_levels, (batch_size,), generator=draws, device=device)
    else:
        level = level_at(torch.rand(batch_size, generator=draws, device=device))
    return Batch(x, level, torch.randn(x.shape, generator=draws, device=device))

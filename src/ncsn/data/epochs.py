"""The order in which a training sees its images, a function of (seed, step) alone."""

import functools

import torch
from torch import Tensor

from ncsn.base.rng import generator


def batch_indices(
    num_images: int,
    batch_size: int,
    seed: int,
    step: int,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Returns the images of step `step` (from 0): indices, int64, shape (batch_size,).

    The steps walk through one permutation after another, each drawn from (seed, epoch), so that
    every image is seen once per epoch, whatever the batch size. A permutation is drawn on the CPU
    and moves once per epoch: to move the indices of each step would make a GPU wait for the CPU.
    """
    first, last = step * batch_size, (step + 1) * batch_size
    parts = []
    for epoch in range(first // num_images, (last - 1) // num_images + 1):
        order = _permutation(num_images, seed, epoch, str(device))
        begin = max(first - epoch * num_images, 0)
        parts.append(order[begin : last - epoch * num_images])
    return torch.cat(parts)


@functools.lru_cache(maxsize=2)  # a step needs at most two neighbouring epochs
def _permutation(num_images: int, seed: int, epoch: int, device: str) -> Tensor:
    order = torch.randperm(num_images, generator=generator(seed, "epoch", epoch))
    return order.to(device)

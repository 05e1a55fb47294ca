"""Which noise levels a training sees how often: a law that is proportional to a power of sigma.

At the power 0 all levels are drawn alike, as in the paper. A negative power draws the smallest
levels more often. A loss with the weight sigma^p on levels drawn with sigma^q has, up to a factor,
the expectation of the weight sigma^(p + q) on levels drawn alike: to draw a level more often
without giving it more weight, take q from the weight's power.
"""

import torch
from torch import Tensor


def level_probabilities(sigmas: Tensor, power: float) -> Tensor:
    """Returns how likely each level is drawn, proportional to sigma ** power.

    Args:
        sigmas: the ladder, shape (L,).
        power: 0 draws all alike; a negative one prefers the smallest.

    Returns:
        Probabilities, shape (L,), float64, on the CPU.
    """
    relative = sigmas.double().cpu() / sigmas.double().max().cpu()  # stays finite at any power
    weights = relative**power
    return weights / weights.sum()


def levels_at(cumulative: Tensor, uniform: Tensor) -> Tensor:
    """Levels by inversion of their distribution function.

    Args:
        cumulative: sums of the probabilities up to each level, shape (L,), float64.
        uniform: numbers in [0, 1), shape (B,).

    Returns:
        Indices, int64, shape (B,).
    """
    found = torch.searchsorted(cumulative, uniform.to(cumulative.dtype), right=True)
    return found.clamp(max=len(cumulative) - 1)  # where the last sum is rounded to below 1


def sigmas_at(largest: float, smallest: float, power: float, uniform: Tensor) -> Tensor:
    """Sigmas whose density in the logarithm is proportional to sigma ** power, by inversion.

    Args:
        largest: end of the range where `uniform` is 0.
        smallest: end of the range where `uniform` is 1.
        power: 0 is even in the logarithm.
        uniform: numbers in [0, 1], shape (B,).

    Returns:
        Sigmas, shape (B,), in the dtype of `uniform`.
    """
    if power == 0:
        return largest * (smallest / largest) ** uniform
    end = (smallest / largest) ** power
    relative = (1 + uniform.double() * (end - 1)) ** (1 / power)
    return (largest * relative).to(uniform.dtype)

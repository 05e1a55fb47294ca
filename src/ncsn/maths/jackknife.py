"""Standard errors by the delete-group jackknife (Shao & Tu 1995, The Jackknife and Bootstrap).

An image drawn twice, as a bootstrap draws it, makes a set look narrower than its law, so that a
bootstrapped Frechet distance or precision is that of other sets. Leaving images out keeps every
image distinct. A statistic of two samples varies with either, independently: the variances add.

The jackknife's expectation is at least the variance (Efron & Stein 1981). It is larger where the
statistic has no linear part, as a distance has none between two samples of one law: bars are then
up to about 1.4 times too long.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Variances(NamedTuple):
    """Variance of a statistic of two samples, by the sample that it comes from."""

    generated: float
    real: float

    @property
    def total_stderr(self) -> float:
        """Standard error where both samples are drawn anew."""
        return (self.generated + self.real) ** 0.5

    @property
    def generated_stderr(self) -> float:
        """Standard error where the real images stay the same."""
        return self.generated**0.5


def random_parts(count: int, num_parts: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """Returns the numbers below `count` in a random order, cut into parts of nearly equal size."""
    order = torch.randperm(count, generator=generator)
    return torch.tensor_split(order, min(num_parts, count))


def jackknife_variance(values: Sequence[float] | Tensor) -> float:
    """Returns (G-1)/G times the sum of squared deviations of values that lack a group each.

    Args:
        values: the statistic without group g, shape (G,).

    Returns:
        Estimated variance of the statistic of all.
    """
    found = torch.as_tensor(values, dtype=torch.float64)
    return float((len(found) - 1) / len(found) * (found - found.mean()).square().sum())

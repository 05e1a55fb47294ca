"""The kernel distance (KID, Binkowski et al. 2018) of whole samples, and its standard error."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ncsn.maths.jackknife import Variances, jackknife_variance

_ROWS = 1024  # of a kernel matrix at once


class _Sums(NamedTuple):
    """Sums of a kernel over pairs: within a sample (no point with itself), or across."""

    generated: Tensor
    real: Tensor
    across: Tensor

    def distance(self, num_generated: float, num_real: float) -> float:
        """The unbiased squared distance, Eq. 4 of the paper."""
        return float(
            self.generated / (num_generated * (num_generated - 1))
            + self.real / (num_real * (num_real - 1))
            - 2 * self.across / (num_generated * num_real)
        )


def kernel_distance(generated: Tensor, real: Tensor) -> float:
    """Returns the squared distance of two samples with the kernel (x.y / D + 1)^3, unbiased.

    It is the mean over all subsets of what is usually averaged over random ones.

    Args:
        generated: points (N, D).
        real: points (M, D).
    """
    return next(kernel_distances([generated], real))


def kernel_distances(samples: Iterable[Tensor], real: Tensor) -> Iterator[float]:
    """Yields `kernel_distance` of each sample; pairs of real points are summed once."""
    y = real.double()
    ones = torch.ones(len(y), 1, dtype=torch.float64)
    others = _within(y, ones)
    for sample in samples:
        x = sample.double()
        own = torch.ones(len(x), 1, dtype=torch.float64)
        sums = _Sums(_within(x, own), others, _kernel_sums(x, y, own, ones))
        yield sums.distance(len(x), len(y))


def kernel_distance_variances(
    generated: Tensor, real: Tensor, groups: tuple[Sequence[Tensor], Sequence[Tensor]]
) -> Variances:
    """Returns the jackknife variance of `kernel_distance`; groups as in `frechet_variances`."""
    sums = _group_sums(generated, real, groups)
    own, others, across = sums
    counts = len(generated), len(real)
    without_generated = [
        _Sums(_left(own, g), others.sum(), across.sum() - across[g].sum()).distance(
            counts[0] - len(group), counts[1]
        )
        for g, group in enumerate(groups[0])
    ]
    without_real = [
        _Sums(own.sum(), _left(others, g), across.sum() - across[:, g].sum()).distance(
            counts[0], counts[1] - len(group)
        )
        for g, group in enumerate(groups[1])
    ]
    return Variances(jackknife_variance(without_generated), jackknife_variance(without_real))


def _left(sums: Tensor, group: int) -> Tensor:
    """What is left of a symmetric matrix of sums without a row and its column."""
    return sums.sum() - 2 * sums[group].sum() + sums[group, group]


def _group_sums(
    generated: Tensor, real: Tensor, groups: Sequence[Sequence[Tensor]]
) -> tuple[Tensor, Tensor, Tensor]:
    """Kernel sums between groups: within the first sample, within the second, across."""
    ones = [_membership(part) for part in groups]
    x, y = generated.double(), real.double()
    return (
        _within(x, ones[0]),
        _within(y, ones[1]),
        _kernel_sums(x, y, ones[0], ones[1]),
    )


def _membership(groups: Sequence[Tensor]) -> Tensor:
    """Ones where point i is of group g, (N, G) float64."""
    ones = torch.zeros(sum(map(len, groups)), len(groups), dtype=torch.float64)
    for g, group in enumerate(groups):
        ones[group, g] = 1
    return ones


def _kernel_sums(x: Tensor, y: Tensor, x_ones: Tensor, y_ones: Tensor) -> Tensor:
    parts = zip(x.split(_ROWS), x_ones.split(_ROWS), strict=True)
    return sum(
        (ones.T @ (_kernel(rows @ y.T, x.shape[1]) @ y_ones) for rows, ones in parts),
        torch.zeros(x_ones.shape[1], y_ones.shape[1], dtype=torch.float64),
    )


def _within(x: Tensor, ones: Tensor) -> Tensor:
    """Sums over pairs of different points, by group."""
    own = torch.diag(_kernel(x.square().sum(1), x.shape[1]) @ ones)
    return _kernel_sums(x, x, ones, ones) - own


def _kernel(products: Tensor, dim: int) -> Tensor:
    return (products / dim + 1) ** 3

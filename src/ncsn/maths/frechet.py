"""The Frechet distance of two Gaussians, and the statistics that it takes (Heusel et al. 2017)."""

from typing import NamedTuple

import torch
from torch import Tensor

_ROWS = 1024  # in float64 at once


class GaussianStatistics(NamedTuple):
    """Mean (D,) and unbiased covariance (D, D) of points, float64."""

    mean: Tensor
    cov: Tensor


def gaussian_statistics(rows: Tensor, scale: float = 1.0) -> GaussianStatistics:
    """Returns mean and covariance of `scale * rows`, computed in float64 on the device of `rows`.

    Args:
        rows: points of any type of number, shape (N, D).
        scale: factor on every number; 1/255 brings bytes to [0, 1].

    Returns:
        Mean (D,) and covariance (D, D), divided by N - 1.

    Raises:
        ValueError: fewer than two rows, or a number that is not finite.
    """
    if len(rows) < 2:
        raise ValueError(f"a covariance needs at least 2 points, got {len(rows)}")
    parts = rows.split(_ROWS)
    mean = torch.stack([part.double().sum(0) for part in parts]).sum(0) / len(rows)
    if not bool(torch.isfinite(mean).all()):
        raise ValueError("not all numbers are finite")
    cov = torch.zeros(len(mean), len(mean), dtype=torch.float64, device=rows.device)
    for part in parts:
        centred = part.double() - mean
        cov += centred.T @ centred
    return GaussianStatistics(scale * mean, scale**2 * cov / (len(rows) - 1))


def frechet_distance(first: GaussianStatistics, second: GaussianStatistics) -> float:
    """Returns the squared Frechet distance of two Gaussians (Heusel et al. 2017, Eq. 6).

    |m1 - m2|^2 + tr(C1 + C2) - 2 tr((C1^(1/2) C2 C1^(1/2))^(1/2)). Both roots are of symmetric
    matrices, which covariances of fewer points than dimensions keep exact; rounding can leave a
    value near zero slightly negative.

    Args:
        first: covariance may be singular.
        second: as `first`.

    Returns:
        The distance, in squared units of the points.

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.
    """
    parts = (*first, *second)
    shapes = [tuple(part.shape) for part in parts]
    if shapes[:2] != shapes[2:] or shapes[1] != 2 * shapes[0]:
        raise ValueError(f"means must be (D,) and covariances (D, D), got {shapes}")
    if not all(bool(torch.isfinite(part).all()) for part in parts):
        raise ValueError("means and covariances must be finite")
    return rooted_distance(covariance_root(first.cov), first, second)


def covariance_root(cov: Tensor) -> Tensor:
    """Returns the symmetric root of a covariance, (D, D); it may be singular."""
    values, axes = torch.linalg.eigh(cov)
    return axes * values.clamp_min(0).sqrt() @ axes.T


def rooted_distance(root: Tensor, first: GaussianStatistics, second: GaussianStatistics) -> float:
    """Returns `frechet_distance` where `covariance_root(first.cov)` is at hand.

    The root is the dearer half of the work, and serves all distances from `first`.
    """
    shared = torch.linalg.eigvalsh(root @ second.cov @ root).clamp_min(0).sqrt().sum()
    spread = first.cov.trace() + second.cov.trace() - 2 * shared
    return float((first.mean - second.mean).square().sum() + spread)

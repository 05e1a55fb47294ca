"""How sure a Frechet distance of two samples is, and what it tends to with more of them.

For n generated and m real points the distance is too large by about a/n + b/m (Chong & Forsyth
2020, arXiv 1911.07023), with a and b that depend on both laws.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ncsn.maths.frechet import (
    GaussianStatistics,
    covariance_root,
    gaussian_statistics,
    rooted_distance,
)
from ncsn.maths.jackknife import Variances, jackknife_variance, random_parts

PARTS = (2, 3)  # halves carry the line, thirds tell whether it bends


class Curve(NamedTuple):
    """Distances of parts of one sample from the whole other one.

    Attributes:
        sizes: points in each part, largest first; all of them at first.
        distances: mean over the parts.
        variances: of the means, over the random cuts; 0 for all points.
    """

    sizes: tuple[int, ...]
    distances: tuple[float, ...]
    variances: tuple[float, ...]

    @property
    def rise(self) -> float:
        """What half of the points add to the distance: the a/n of all."""
        return self.distances[1] - self.distances[0]

    @property
    def bend(self) -> float:
        """How much the limit moves when a parabola through the thirds replaces the line."""
        return self.distances[0] - 2 * self.distances[1] + self.distances[2]


class Limit(NamedTuple):
    """A Frechet distance extrapolated to infinitely many points.

    Attributes:
        value: of both samples, an estimate of the distance of their laws.
        fixed_reference: of the generated sample alone, as Chong & Forsyth do it.
        fit_error: bend of the line and scatter of the cuts, in the unit of the distance.
        generated: the points of the line over generated images.
        real: the points of the line over real images.
    """

    value: float
    fixed_reference: float
    fit_error: float
    generated: Curve
    real: Curve


def frechet_variances(
    generated: Tensor,
    real: Tensor,
    groups: tuple[Sequence[Tensor], Sequence[Tensor]],
    scale: float = 1.0,
) -> Variances:
    """Returns the jackknife variance of the distance of two samples.

    Args:
        generated: points (N, D) of any type of number.
        real: points (M, D).
        groups: indices of generated and of real points, left out one group at a time.
        scale: factor on every number.
    """
    first, second = (gaussian_statistics(rows, scale) for rows in (generated, real))
    return Variances(
        jackknife_variance(list(_without(generated, groups[0], first, second, scale))),
        jackknife_variance(list(_without(real, groups[1], second, first, scale))),
    )


def frechet_limit(
    generated: Tensor, real: Tensor, generator: torch.Generator, repeats: int = 4
) -> Limit:
    """Extrapolates the distance linearly in 1/n and 1/m to infinitely many points on both sides.

    Each sample is cut at random into halves and into thirds; all parts of a cut are used, so that
    their mean has the sampling error of the whole sample and the slope next to none of its own.

    Args:
        generated: points (N, D), N at least 6.
        real: points (M, D), M at least 6.
        generator: names the cuts.
        repeats: cuts of each kind.
    """
    first, second = gaussian_statistics(generated), gaussian_statistics(real)
    curves = (
        _curve(generated, first, second, generator, repeats),
        _curve(real, second, first, generator, repeats),
    )
    fixed = curves[0].distances[0] - curves[0].rise
    bend = sum(curve.bend for curve in curves)
    scatter = sum(curve.variances[1] for curve in curves)
    return Limit(fixed - curves[1].rise, fixed, (bend**2 + scatter) ** 0.5, *curves)


def _curve(
    rows: Tensor,
    own: GaussianStatistics,
    other: GaussianStatistics,
    generator: torch.Generator,
    repeats: int,
) -> Curve:
    root = covariance_root(other.cov)
    found = [(len(rows), rooted_distance(root, other, own), 0.0)]
    for num_parts in PARTS:
        means = torch.tensor(
            [
                _mean_distance(rows, random_parts(len(rows), num_parts, generator), other, root)
                for _ in range(repeats)
            ],
            dtype=torch.float64,
        )
        found.append((len(rows) // num_parts, float(means.mean()), float(means.var() / repeats)))
    return Curve(*zip(*found, strict=True))


def _mean_distance(
    rows: Tensor, parts: Sequence[Tensor], other: GaussianStatistics, root: Tensor
) -> float:
    found = [rooted_distance(root, other, gaussian_statistics(rows[part])) for part in parts]
    return sum(found) / len(found)


def _without(
    rows: Tensor,
    groups: Sequence[Tensor],
    own: GaussianStatistics,
    other: GaussianStatistics,
    scale: float,
) -> Iterator[float]:
    """The distance from `other` of the rows without each group."""
    root = covariance_root(other.cov)
    for group in groups:
        kept = statistics_without(own, len(rows), scale * rows[group].double())
        yield rooted_distance(root, other, kept)


def statistics_without(
    own: GaussianStatistics, count: int, left_out: Tensor
) -> GaussianStatistics:
    """Returns the statistics of a sample without some of its points, from those of all.

    Args:
        own: of all `count` points.
        count: N.
        left_out: the points that go, (K, D) float64, K at most N - 2.
    """
    kept = count - len(left_out)
    centred = left_out - own.mean
    shift = -centred.sum(0) / kept
    scatter = (count - 1) * own.cov - centred.T @ centred - kept * torch.outer(shift, shift)
    return GaussianStatistics(own.mean + shift, scatter / (kept - 1))

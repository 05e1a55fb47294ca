"""Which points of a study can be told apart from its best one, in spite of the noise of draws.

All pairs of a study are held to one level (Tukey 1949, Kramer 1956): were all points equal, at
most LEVEL of such studies would tell any two of them apart, whichever was chosen as the best.
Points of a search share their seeds and so a part of their noise; it is counted as if it were
each point's own, which makes the rule stricter between them.
"""

import math
from collections.abc import Sequence
from functools import cache
from statistics import fmean
from typing import NamedTuple

LEVEL = 0.05  # share of studies of equal points that tell any two of them apart


class Estimate(NamedTuple):
    """The mean of the draws of a point.

    Attributes:
        mean: of the draws.
        std: standard deviation of one draw, None for a single one.
        error: standard error of the mean, std / sqrt(draws).
        draws: number of them.
    """

    mean: float
    std: float | None
    error: float | None
    draws: int


class Spread(NamedTuple):
    """Standard deviation of one draw, pooled over points, and its degrees of freedom."""

    std: float
    dof: int


class Point(NamedTuple):
    """The draws of a point.

    Attributes:
        values: the draws that speak for the point: fresh ones where there are any.
        groups: all of its draws, those of the search and fresh ones apart; the choice of points
            moves the means of the former, not their spread.
    """

    values: Sequence[float]
    groups: Sequence[Sequence[float]]


class Verdict(NamedTuple):
    """A point beside the best.

    Attributes:
        worse_by: how much worse its mean is; below 0 it is better.
        needed: the difference from which the two are told apart; infinite where no spread is
            known.
    """

    worse_by: float
    needed: float

    @property
    def is_worse(self) -> bool:
        """Whether the point is worse beyond the noise."""
        return self.worse_by > self.needed

    @property
    def is_better(self) -> bool:
        """Whether the point is better beyond the noise."""
        return -self.worse_by > self.needed


def estimate(values: Sequence[float]) -> Estimate:
    """Returns mean, spread and standard error of the draws of one point."""
    spread = pooled([values])
    std = spread.std if spread.dof else None
    error = None if std is None else std / math.sqrt(len(values))
    return Estimate(fmean(values), std, error, len(values))


def pooled(groups: Sequence[Sequence[float]]) -> Spread:
    """Returns the spread of a draw within groups; without degrees of freedom it is NaN."""
    dof = sum(len(group) - 1 for group in groups)
    squares = sum((value - fmean(group)) ** 2 for group in groups for value in group)
    return Spread(math.sqrt(squares / dof) if dof else math.nan, dof)


def verdicts(points: Sequence[Point], best: int, *, smaller_is_better: bool) -> list[Verdict]:
    """Returns each point beside the best one; that one's own verdict is a difference of 0.

    Two points are told apart by more than q / sqrt(2) standard errors of their difference, q being
    the quantile 1 - LEVEL of the studentized range over all means of the study. Noise grows with a
    distance, so the spread is pooled from the best point to the one in question, over those whose
    means are no worse; where these have one draw each, over the whole study.

    Args:
        points: one entry for each different point.
        best: its place among them.
        smaller_is_better: the objective's direction.
    """
    sign = 1 if smaller_is_better else -1
    scores = [sign * fmean(point.values) for point in points]
    num_means = sum(len(point.groups) for point in points)
    found = []
    for point, score in zip(points, scores, strict=True):
        worst = max(score, scores[best])
        near = [g for p, s in zip(points, scores, strict=True) if s <= worst for g in p.groups]
        spread = pooled(near)
        if not spread.dof:
            spread = pooled([group for other in points for group in other.groups])
        share = 1 / len(point.values) + 1 / len(points[best].values)
        needed = math.inf
        if spread.dof:
            needed = needed_errors(num_means, spread.dof) * spread.std * math.sqrt(share)
        found.append(Verdict(score - scores[best], needed))
    return found


@cache
def needed_errors(num_means: int, dof: int) -> float:
    """Returns how many standard errors of a difference tell two of `num_means` means apart."""
    from scipy.stats import studentized_range  # a second, which only studies with spreads need

    return float(studentized_range.ppf(1 - LEVEL, max(num_means, 2), dof)) / math.sqrt(2)

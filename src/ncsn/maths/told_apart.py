"""Which of several means can be told apart from the best, in spite of their noise.

The means are points of a study, known from draws, or runs whose standard errors are known. All
pairs are held to one level (Tukey 1949, Kramer 1956): were all means equal, at most LEVEL of such
studies would tell any two of them apart, whichever was chosen as the best.
Points of a search share their seeds and so a part of their noise; it is counted as if it were
each point's own, which makes the rule stricter between them.

Draws of one training are not independent: they share its network. Where points have several
trainings, the means of these are the independent values, and their spread is the noise.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from statistics import fmean
from typing import NamedTuple

LEVEL = 0.05  # share of studies of equal points that tell any two of them apart
Draws = Sequence[Sequence[float]]  # of a point: for each of its trainings as many draws


class Estimate(NamedTuple):
    """The mean of the draws of a point.

    Attributes:
        mean: of all draws.
        std: standard deviation of one draw, with several trainings of the mean of one training's
            draws; None for a single one.
        error: standard error of the mean, std / sqrt(draws) or std / sqrt(trainings).
        draws: number of draws of each training.
        trainings: number of trainings.
    """

    mean: float
    std: float | None
    error: float | None
    draws: int
    trainings: int = 1


class Spread(NamedTuple):
    """Standard deviation of one independent value, pooled over points.

    Attributes:
        std: its estimate, NaN without degrees of freedom.
        dof: degrees of freedom.
        of_trainings: whether the value is the mean of a training's draws; else it is one draw of
            one network, and what another training would change is not known.
    """

    std: float
    dof: int
    of_trainings: bool


class Point(NamedTuple):
    """The draws of a point.

    Attributes:
        draws: those that speak for the point: fresh ones where there are any.
        groups: all of its draws, those of the search and fresh ones apart; the choice of points
            moves the means of the former, not their spread.
    """

    draws: Draws
    groups: Sequence[Draws]


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


class Measured(NamedTuple):
    """A value whose noise is known otherwise than from draws of it.

    Attributes:
        value: as measured.
        error: its standard error.
        dof: degrees of freedom behind the error.
    """

    value: float
    error: float
    dof: int


def estimate(draws: Draws) -> Estimate:
    """Returns mean, spread and standard error of the draws of one point."""
    spread = pooled([draws], len(draws[0]))
    std = spread.std if spread.dof else None
    error = None if std is None else std / math.sqrt(_independent(draws, spread))
    return Estimate(fmean(_values(draws)), std, error, len(draws[0]), len(draws))


def by_training(values: Sequence[float], trainings: int) -> Draws:
    """Returns the draws of each training, of `values` that hold those of the first one first.

    >>> by_training([1.0, 2.0, 3.0, 4.0], 2)
    [[1.0, 2.0], [3.0, 4.0]]
    """
    size = len(values) // max(trainings, 1)
    return [values[i : i + size] for i in range(0, len(values), size)] if size else []


def pooled(groups: Sequence[Draws], num_draws: int) -> Spread:
    """Returns the spread of an independent value within groups.

    That is the mean of `num_draws` draws of a training where any group has several trainings,
    else one draw. Means of more draws than `num_draws` spread less; what they lack is added from
    the spread of draws within trainings.
    """
    within = _within([training for group in groups for training in group])
    several = [group for group in groups if len(group) > 1]
    if not several:
        return within
    squares, dof = 0.0, 0
    for group in several:
        means, more = [fmean(training) for training in group], len(group) - 1
        lacking = max(0.0, 1 / num_draws - 1 / len(group[0]))
        squares += sum((mean - fmean(means)) ** 2 for mean in means)
        squares += more * within.std**2 * lacking if lacking else 0.0
        dof += more
    return Spread(math.sqrt(squares / dof), dof, True)


def nearest_spread(near: Sequence[Draws], all_: Sequence[Draws], num_draws: int) -> Spread:
    """Returns the spread of the near groups; that of all where only these know it.

    Args:
        near: groups of points like the one in question.
        all_: all groups of the study.
        num_draws: as `pooled`.
    """
    found = pooled(near, num_draws)
    is_known = found.of_trainings or all(len(group) == 1 for group in all_)
    return found if found.dof and is_known else pooled(all_, num_draws)


def verdicts(points: Sequence[Point], best: int, *, smaller_is_better: bool) -> list[Verdict]:
    """Returns each point beside the best one; that one's own verdict is a difference of 0.

    Two points are told apart by more than q / sqrt(2) standard errors of their difference, q being
    the quantile 1 - LEVEL of the studentized range over all means of the study. Noise grows with a
    distance, so the spread is pooled from the best point to the one in question, over those whose
    means are no worse; where these have one draw each, over the whole study. Where any point of
    the study has several trainings, a point of one training is counted with their spread, too.

    Args:
        points: one entry for each different point.
        best: its place among them.
        smaller_is_better: the objective's direction.
    """
    sign = 1 if smaller_is_better else -1
    scores = [sign * fmean(_values(point.draws)) for point in points]
    groups = [group for point in points for group in point.groups]
    found = []
    for point, score in zip(points, scores, strict=True):
        worst = max(score, scores[best])
        near = [g for p, s in zip(points, scores, strict=True) if s <= worst for g in p.groups]
        pair = (point.draws, points[best].draws)
        spreads = [nearest_spread(near, groups, len(draws[0])) for draws in pair]
        needed = math.inf
        if dof := spreads[0].dof:
            both = zip(pair, spreads, strict=True)
            variance = sum(s.std**2 / _independent(draws, s) for draws, s in both)
            needed = needed_errors(len(groups), dof) * math.sqrt(variance)
        found.append(Verdict(score - scores[best], needed))
    return found


def measured_verdict(
    one: Measured, best: Measured, num_means: int, *, smaller_is_better: bool
) -> Verdict:
    """Returns `one` beside `best`, two of `num_means` values that are compared with one another.

    Their errors are taken as independent; values that share part of their noise, as images from
    the same seeds do, are told apart more seldom than they could be.
    """
    needed = needed_errors(num_means, min(one.dof, best.dof)) * math.hypot(one.error, best.error)
    difference = one.value - best.value
    return Verdict(difference if smaller_is_better else -difference, needed)


def _independent(draws: Draws, spread: Spread) -> int:
    """Number of independent values of a point, in the unit of the spread."""
    return len(draws) if spread.of_trainings else len(draws[0])


def _within(groups: Sequence[Sequence[float]]) -> Spread:
    dof = sum(len(group) - 1 for group in groups)
    squares = sum((value - fmean(group)) ** 2 for group in groups for value in group)
    return Spread(math.sqrt(squares / dof) if dof else math.nan, dof, False)


def _values(draws: Draws) -> Iterator[float]:
    return (value for training in draws for value in training)


@cache
def needed_errors(num_means: int, dof: int) -> float:
    """Returns how many standard errors of a difference tell two of `num_means` means apart."""
    from scipy.stats import studentized_range  # a second, which only studies with spreads need

    return float(studentized_range.ppf(1 - LEVEL, max(num_means, 2), dof)) / math.sqrt(2)

"""Which differences between runs exceed their noise, metric by metric."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from ncsn.base import metric_names as keys
from ncsn.base.run_record import RunRecord
from ncsn.maths.told_apart import (
    LEVEL,
    Draws,
    Measured,
    Point,
    Verdict,
    estimate,
    measured_verdict,
    verdicts,
)
from ncsn.report.compare.conditions import Group, groups

DEFAULT_GROUPS = 20  # of the jackknife, where a run does not say


class Pair(NamedTuple):
    """Two runs by one metric.

    Attributes:
        key: of the metric.
        first: place of a run in the comparison.
        second: place of another one.
        difference: value of the second less that of the first.
        needed: the difference from which the two are told apart.
        second_is: "better", "worse" or "not told apart".
    """

    key: str
    first: int
    second: int
    difference: float
    needed: float
    second_is: str


class Standing(NamedTuple):
    """A run among those that were measured alike, by one metric.

    Attributes:
        value: as measured.
        error: standard error with the reference images held as they are, by which runs are told
            apart; None where it is not known.
        says: "best value", "worse", "not told apart", "not judged" or "alone".
    """

    value: float
    error: float | None
    says: str


def measured(run: RunRecord, key: str) -> Measured | None:
    """Returns a metric with the error of the generated images alone; None without either.

    The reference images are the same for runs that are compared, so their part of the noise moves
    all values alike. Several draws of a trial say themselves how far they spread; where it has
    several trainings, the means of these do.
    """
    if key in run.draws:
        return _of_draws(run.draws[key])
    value, error = run.metrics.get(key), run.metrics.get(keys.samples_stderr_key(key))
    if value is None or error is None:
        return None
    parts = run.known("evaluate.error_groups")
    return Measured(value, error, max(1, int(parts or DEFAULT_GROUPS) - 1))


def shown_error(run: RunRecord, key: str) -> float | None:
    """Returns the standard error that stands beside a metric, None where it is not known.

    That is the one for both kinds of images drawn anew, or that of the mean of several draws.
    """
    if key in run.draws:
        return _of_draws(run.draws[key]).error
    return run.metrics.get(keys.stderr_key(key))


def standings(
    runs: Sequence[RunRecord], group: Group, measure: keys.Measure
) -> dict[int, Standing]:
    """Returns the runs of a group that have the metric, each beside the best value."""
    having = [place for place in group.members if measure.key in runs[place].metrics]
    known = {p: found for p in having if (found := measured(runs[p], measure.key)) is not None}
    best = _best(known, measure)
    return {
        place: Standing(
            runs[place].metrics[measure.key],
            known[place].error if place in known else None,
            _says(place, runs, known, best, measure, len(having)),
        )
        for place in having
    }


def pairs(runs: Sequence[RunRecord]) -> list[Pair]:
    """Returns all pairs of runs that were measured alike, metric by metric.

    Where all runs of a group are equal, at most LEVEL of such comparisons tell any two of them
    apart by a metric; each metric is judged by itself.
    """
    found = []
    for group in groups(runs):
        for measure in keys.MEASURES:
            known = {p: m for p in group.members if (m := measured(runs[p], measure.key))}
            for first, second in combinations(known, 2):
                verdict = _verdict(runs, known, second, first, measure)
                difference = known[second].value - known[first].value
                found.append(
                    Pair(measure.key, first, second, difference, verdict.needed, _word(verdict))
                )
    return found


def level_text() -> str:
    """Returns the rule of the verdicts in a sentence."""
    return (
        f"Were all runs equal, at most {LEVEL:.0%} of such comparisons would tell any two of them "
        "apart by a metric (Tukey-Kramer)."
    )


def _best(known: dict[int, Measured], measure: keys.Measure) -> int | None:
    sign = 1 if measure.better == "lower" else -1
    return min(known, key=lambda place: sign * known[place].value, default=None)


def _of_draws(draws: Draws) -> Measured:
    found = estimate(draws)
    independent = found.trainings if found.trainings > 1 else found.draws
    return Measured(found.mean, found.error or 0.0, independent - 1)


def _says(
    place: int,
    runs: Sequence[RunRecord],
    known: dict[int, Measured],
    best: int | None,
    measure: keys.Measure,
    count: int,
) -> str:
    if count == 1:
        return "alone"
    if place not in known or best is None:
        return "not judged"
    if place == best:
        return "best value"
    verdict = _verdict(runs, known, place, best, measure)
    return "worse" if verdict.is_worse else "not told apart"


def _verdict(
    runs: Sequence[RunRecord],
    known: dict[int, Measured],
    one: int,
    other: int,
    measure: keys.Measure,
) -> Verdict:
    """Runs that were all drawn several times pool their spread, as the points of a study do."""
    smaller, places = measure.better == "lower", list(known)
    if all(measure.key in runs[place].draws for place in places):
        draws = [runs[place].draws[measure.key] for place in places]
        points = [Point(values, [values]) for values in draws]
        found = verdicts(points, places.index(other), smaller_is_better=smaller)
        return found[places.index(one)]
    return measured_verdict(known[one], known[other], len(known), smaller_is_better=smaller)


def _word(verdict: Verdict) -> str:
    if verdict.is_worse:
        return "worse"
    return "better" if verdict.is_better else "not told apart"

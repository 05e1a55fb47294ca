"""Which differences between runs exceed their noise, metric by metric."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

from ncsn.base import metric_names as keys
from ncsn.base.run_record import RunRecord
from ncsn.maths.told_apart import LEVEL, Measured, Verdict, measured_verdict
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
    all values alike.
    """
    value, error = run.metrics.get(key), run.metrics.get(keys.samples_stderr_key(key))
    if value is None or error is None:
        return None
    parts = run.known("evaluate.error_groups")
    return Measured(value, error, max(1, int(parts or DEFAULT_GROUPS) - 1))


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
            _says(place, known, best, measure, len(having)),
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
                verdict = _verdict(known, second, first, measure)
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


def _says(
    place: int, known: dict[int, Measured], best: int | None, measure: keys.Measure, count: int
) -> str:
    if count == 1:
        return "alone"
    if place not in known or best is None:
        return "not judged"
    if place == best:
        return "best value"
    return "worse" if _verdict(known, place, best, measure).is_worse else "not told apart"


def _verdict(known: dict[int, Measured], one: int, other: int, measure: keys.Measure) -> Verdict:
    smaller = measure.better == "lower"
    return measured_verdict(known[one], known[other], len(known), smaller_is_better=smaller)


def _word(verdict: Verdict) -> str:
    if verdict.is_worse:
        return "worse"
    return "better" if verdict.is_better else "not told apart"

"""Whether numbers of two runs differ by more than two runs of the same thing do."""

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Literal, NamedTuple

from ncsn.verify.published import Number

CONFIDENCE = 0.95  # that a faithful rerun has all its numbers inside
Outcome = Literal["same", "reproduced", "not reproduced", "no tolerance", "not here"]


class Verdict(NamedTuple):
    """A number here beside the published one.

    Attributes:
        key: of metrics.json.
        here: of this machine's run, None where it has no such number.
        published: of the published run.
        allowed: largest difference that counts as reproduced; None where neither an error nor a
            spread of it is known.
        outcome: `same` where the numbers are equal.
    """

    key: str
    here: Number | None
    published: Number
    allowed: float | None
    outcome: Outcome


def verdicts(here: Mapping[str, Number], published: Mapping[str, Number]) -> list[Verdict]:
    """Returns a verdict for each published number.

    The standard error of a difference has three parts: the errors of both numbers, over samples
    drawn anew, and twice the variance over whole runs, where that was measured. Of m numbers with
    such an error each may differ by z errors, with z so that all m stay inside in 95 of 100
    faithful reruns, whatever their correlations (Bonferroni).
    """
    errors = {key: _error(here.get(key), number) for key, number in published.items()}
    factor = _factor(sum(error is not None for error in errors.values()))
    found = []
    for key, number in published.items():
        own, error = here.get(key), errors[key]
        allowed = None if error is None else factor * error
        found.append(Verdict(key, own, number, allowed, _outcome(own, number, allowed)))
    return found


def _factor(count: int) -> float:
    return NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / (2 * max(1, count)))


def _error(here: Number | None, published: Number) -> float | None:
    """The standard error of the difference; None where nothing of it is known."""
    if here is None:
        return None
    parts = [here.stderr, published.stderr]
    variances = [part**2 for part in parts if part is not None]
    if published.spread is not None:
        variances.append(2 * published.spread**2)
    return math.sqrt(sum(variances)) if variances else None


def _outcome(here: Number | None, published: Number, allowed: float | None) -> Outcome:
    if here is None:
        return "not here"
    difference = abs(here.value - published.value)
    if difference == 0:
        return "same"
    if allowed is None:
        return "no tolerance"
    return "reproduced" if difference <= allowed else "not reproduced"

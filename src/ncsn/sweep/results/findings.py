"""What a study says, as JSON values: best trials, ends of ranges, theory, reuse, time.

All take a study as `search.read` gives it, or trials of it.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from ncsn.base import metric_names as keys
from ncsn.base.trial_record import EDGE_SHARE, TrialRecord
from ncsn.maths.told_apart import Point, verdicts
from ncsn.sweep.results.estimates import confirmation, known
from ncsn.sweep.search.read import StudyData

ORIGINS = ("advised", "present")
_CONDITIONS = (keys.EXTRACTOR, keys.FEATURE_LAYER, keys.FID_NUM_SAMPLES, keys.NUM_REFERENCE)


def best_trials(data: StudyData) -> list[TrialRecord]:
    """Returns feasible complete trials: the best first, or the Pareto front by objective one.

    The best is the first of the search. Fresh draws do not choose it, or they would flatter it
    too; only where another trial's are better beyond their noise does that one take its place.
    """
    ranking = search_ranking(data)
    if len(data.objectives) > 1 or not ranking:
        return ranking
    best = _better_when_drawn_again(data, ranking) or ranking[0]
    return [best, *(trial for trial in ranking if trial is not best)]


def _better_when_drawn_again(data: StudyData, ranking: list[TrialRecord]) -> TrialRecord | None:
    """The trial whose fresh draws are better, beyond the noise, than those of the first one."""
    name, direction = next(iter(data.objectives.items()))
    drawn = [trial for trial in different(ranking) if known(trial, data, name).fresh]
    if not drawn or drawn[0] is not ranking[0]:
        return None
    fresh = [known(trial, data, name).fresh for trial in drawn]
    points = [Point(draws, [draws]) for draws in fresh]
    found = verdicts(points, 0, smaller_is_better=direction == "minimize")
    better = [(v.worse_by, t.number, t) for v, t in zip(found, drawn, strict=True) if v.is_better]
    return min(better)[2] if better else None


def different(trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Returns the first trial of each point; equal points have the same draws."""
    found: list[TrialRecord] = []
    for trial in trials:
        if all(trial.point != other.point for other in found):
            found.append(trial)
    return found


def search_ranking(data: StudyData) -> list[TrialRecord]:
    """Returns feasible complete trials as the search saw them, without fresh draws.

    A trial that left the finite numbers when it was drawn again is none of them.
    """
    signs = [1 if way == "minimize" else -1 for way in data.objectives.values()]
    scored = [
        (tuple(sign * value for sign, value in zip(signs, t.objectives or (), strict=True)), t)
        for t in data.trials
        if t.may_be_best()
        and all(math.isfinite(value) for value in t.objectives or ())
        and not (confirmation(t, data) or {}).get("reason")
    ]
    scored.sort(key=lambda pair: (pair[0], pair[1].number))
    if len(signs) == 1:
        return [trial for _, trial in scored]
    front: list[tuple[tuple[float, ...], TrialRecord]] = []
    for score, trial in scored:  # in ascending order only earlier ones can dominate
        if not any(_dominates(kept, score) for kept, _ in front):
            front.append((score, trial))
    return [trial for _, trial in front]


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether `one` is nowhere worse; the equal first one stands for its equals."""
    return all(a <= b for a, b in zip(one, other, strict=True))


def edge_warnings(data: StudyData) -> list[dict[str, Any]]:
    """Returns the axes where the best trial sits at an end of the range.

    That is within EDGE_SHARE of the range's length on the axis' own scale (log where the space is
    log). The last points of a grid are the ends of its range. With two objectives the best trial
    is that of the first one.
    """
    best = best_trials(data)
    if not best:
        return []
    found = []
    for name, axis in data.axes.items():
        side = _side(name, axis, best[0])
        if side is not None:
            found.append(
                {"axis": name, "side": side, "value": best[0].point[name], "end": axis[side]}
            )
    return found


def _side(name: str, axis: dict[str, Any], best: TrialRecord) -> str | None:
    if "low" not in axis or name not in best.point:
        return None
    value = best.point[name]
    low, high, at = (_scaled(axis, x) for x in (axis["low"], axis["high"], value))
    if at - low <= EDGE_SHARE * (high - low):
        return "low"
    return "high" if high - at <= EDGE_SHARE * (high - low) else None


def _scaled(axis: dict[str, Any], value: float) -> float:
    return math.log(value) if axis.get("log") else float(value)


def trial_summary(trial: TrialRecord, data: StudyData) -> dict[str, Any]:
    """Returns number, point and objectives of a trial as JSON values.

    `objectives` are the means of the search; `shown` has for each objective mean, std, error and
    numbers of the draws and trainings that speak for the trial, and whether they are fresh.
    """
    shown = {}
    for name in data.objectives if trial.objectives else ():
        draws = known(trial, data, name)
        shown[name] = {**draws.shown()._asdict(), "fresh": bool(draws.fresh)}
    return {
        "number": trial.number,
        "state": trial.state,
        "origin": trial.origin,
        "point": dict(trial.point),
        "objectives": dict(zip(data.objectives, trial.objectives or (), strict=False)),
        "shown": shown,
        "feasible": trial.feasible,
        "seconds": trial.wall_seconds(),
        "train": trial.stages.get("train"),
    }


def trials_of(origin: str, data: StudyData) -> list[TrialRecord]:
    """Returns the trials at the advised or the present point, whatever proposed them.

    Where both are one point, one trial serves both.
    """
    point = data.attrs.get(origin)
    return [t for t in data.trials if t.origin == origin or (point and t.point == point)]


def theory_and_search(data: StudyData) -> dict[str, dict[str, Any]]:
    """Returns the trials "advised", "present" and "best"; one that was not tried has no number."""
    found: dict[str, dict[str, Any]] = {}
    for origin in ORIGINS:
        tried = trials_of(origin, data)
        complete = [t for t in tried if t.objectives is not None]
        if tried:
            found[origin] = trial_summary((complete or tried)[-1], data)
        elif data.attrs.get(origin):
            point = {k: v for k, v in data.attrs[origin].items() if k in data.axes}
            found[origin] = {"number": None, "point": point, "objectives": {}}
    best = best_trials(data)
    if best:
        found["best"] = trial_summary(best[0], data)
    return found


def trainings(data: StudyData) -> dict[str, int]:
    """Returns how many trials got networks, how many, distinct ones, and how many were trained."""
    reached = [trial for trial in data.trials if "train" in trial.stages]
    networks = [found for trial in reached for found in trial.networks().items()]
    ran = sum(status == "ran" for _, status in networks)
    return {
        "trials": len(reached),
        "needed": len(networks),
        "distinct_keys": len({key for key, _ in networks}),
        "ran": ran,
        "saved": len(networks) - ran,
    }


def wall_seconds(trials: Iterable[TrialRecord]) -> float:
    """Returns the seconds in which at least one of the trials was running."""
    spans = [
        (datetime.fromisoformat(trial.started), datetime.fromisoformat(trial.finished))
        for trial in trials
        if trial.started and trial.finished
    ]
    total, busy_until = 0.0, None
    for begin, end in sorted(spans):
        start = begin if busy_until is None else max(begin, busy_until)
        total += max(0.0, (end - start).total_seconds())
        busy_until = end if busy_until is None else max(end, busy_until)
    return total


def conditions(data: StudyData) -> dict[str, list[Any]]:
    """Returns the distinct values of what must stand beside a Frechet distance."""
    found: dict[str, list[Any]] = {}
    for trial in data.trials:
        for key in _CONDITIONS:
            value = trial.metrics.get(key)
            if value is not None and value not in found.setdefault(key, []):
                found[key].append(value)
    return found

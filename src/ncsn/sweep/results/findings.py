"""What a study says, as JSON values: best trials, ends of ranges, theory, reuse, time.

All take a study as `search.read` gives it, or trials of it.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from statistics import stdev
from typing import Any

from ncsn.base import metric_names as keys
from ncsn.base.trial_record import EDGE_SHARE, TrialRecord
from ncsn.sweep.search.read import StudyData

ORIGINS = ("advised", "present")
_CONDITIONS = (keys.EXTRACTOR, keys.FEATURE_LAYER, keys.FID_NUM_SAMPLES, keys.NUM_REFERENCE)


def best_trials(data: StudyData) -> list[TrialRecord]:
    """Returns feasible complete trials: the best first, or the Pareto front by objective one."""
    signs = [1 if way == "minimize" else -1 for way in data.objectives.values()]
    scored = [
        (tuple(sign * value for sign, value in zip(signs, t.objectives or (), strict=True)), t)
        for t in data.trials
        if t.may_be_best() and all(math.isfinite(value) for value in t.objectives or ())
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
    """Returns number, point and objectives of a trial, and their spread over its seeds."""
    by_seed = {name: trial.by_seed.get(name, ()) for name in data.objectives}
    return {
        "number": trial.number,
        "state": trial.state,
        "origin": trial.origin,
        "point": dict(trial.point),
        "objectives": dict(zip(data.objectives, trial.objectives or (), strict=False)),
        "spread": {name: stdev(found) for name, found in by_seed.items() if len(found) > 1},
        "seeds": len(trial.seeds),
        "feasible": trial.feasible,
        "seconds": trial.wall_seconds(),
        "train": trial.stages.get("train"),
    }


def theory_and_search(data: StudyData) -> dict[str, dict[str, Any]]:
    """Returns the trials "advised", "present" and "best"; one that was not tried has no number."""
    found: dict[str, dict[str, Any]] = {}
    for origin in ORIGINS:
        tried = [t for t in data.trials if t.origin == origin]
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
    """Returns how many trials got a network, how many distinct ones, and how many were trained."""
    reached = [trial for trial in data.trials if "train" in trial.stages]
    ran = sum(record.train_ran() for record in reached)
    distinct = len({record.train_key for record in reached if record.train_key is not None})
    return {
        "trials": len(reached),
        "distinct_keys": distinct,
        "ran": ran,
        "saved": len(reached) - ran,
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

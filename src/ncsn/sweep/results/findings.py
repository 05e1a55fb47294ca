"""What a study says, as JSON values: best trials, ends of ranges, theory, reuse, time.

All functions take a study that `read` has read.
"""

import math
from collections.abc import Sequence
from datetime import datetime
from statistics import stdev
from typing import Any

from ncsn.base import metric_names as keys
from ncsn.base.trial_record import EDGE_SHARE
from ncsn.sweep.results.read import StudyData, Tried, busy_seconds

ORIGINS = ("advised", "present")
_CONDITIONS = (keys.EXTRACTOR, keys.FEATURE_LAYER, keys.FID_NUM_SAMPLES, keys.NUM_REFERENCE)


def best_trials(data: StudyData) -> list[Tried]:
    """Returns feasible complete trials: the best first, or the Pareto front by objective one."""
    signs = [1 if way == "minimize" else -1 for way in data.objectives.values()]
    scored = [
        (tuple(sign * value for sign, value in zip(signs, t.values or (), strict=True)), t)
        for t in data.tried
        if t.counts and all(math.isfinite(value) for value in t.values or ())
    ]
    scored.sort(key=lambda pair: (pair[0], pair[1].record.number))
    if len(signs) == 1:
        return [tried for _, tried in scored]
    front: list[tuple[tuple[float, ...], Tried]] = []
    for score, tried in scored:  # in ascending order only earlier ones can dominate
        if not any(_dominates(kept, score) for kept, _ in front):
            front.append((score, tried))
    return [tried for _, tried in front]


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


def _side(name: str, axis: dict[str, Any], best: Tried) -> str | None:
    if "low" not in axis or name not in best.point:
        return None
    value = best.point[name]
    low, high, at = (_scaled(axis, x) for x in (axis["low"], axis["high"], value))
    if at - low <= EDGE_SHARE * (high - low):
        return "low"
    return "high" if high - at <= EDGE_SHARE * (high - low) else None


def _scaled(axis: dict[str, Any], value: float) -> float:
    return math.log(value) if axis.get("log") else float(value)


def trial_summary(tried: Tried, data: StudyData) -> dict[str, Any]:
    """Returns number, point and objectives of a trial, and their spread over its seeds."""
    record = tried.record
    values = dict(zip(data.objectives, tried.values or (), strict=False))
    by_seed = {name: record.by_seed.get(name, ()) for name in data.objectives}
    return {
        "number": record.number,
        "state": record.state,
        "origin": record.origin,
        "point": tried.point,
        "objectives": values,
        "spread": {name: stdev(found) for name, found in by_seed.items() if len(found) > 1},
        "seeds": len(record.seeds),
        "feasible": tried.feasible,
        "seconds": record.wall_seconds(),
        "train": record.stages.get("train"),
    }


def theory_and_search(data: StudyData) -> dict[str, dict[str, Any]]:
    """Returns the trials "advised", "present" and "best"; one that was not tried has no number."""
    found: dict[str, dict[str, Any]] = {}
    for origin in ORIGINS:
        tried = [t for t in data.tried if t.record.origin == origin]
        complete = [t for t in tried if t.values is not None]
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
    reached = [t.record for t in data.tried if "train" in t.record.stages]
    ran = sum(record.train_ran() for record in reached)
    distinct = len({record.train_key for record in reached if record.train_key is not None})
    return {
        "trials": len(reached),
        "distinct_keys": distinct,
        "ran": ran,
        "saved": len(reached) - ran,
    }


def wall_seconds(data: StudyData) -> float:
    """Returns the time in which at least one trial was running, in seconds."""
    records = [tried.record for tried in data.tried]
    return busy_seconds(
        (datetime.fromisoformat(r.started), datetime.fromisoformat(r.finished))
        for r in records
        if r.started and r.finished
    )


def conditions(data: StudyData) -> dict[str, list[Any]]:
    """Returns the distinct values of what must stand beside a Frechet distance."""
    found: dict[str, list[Any]] = {}
    for tried in data.tried:
        for key in _CONDITIONS:
            value = tried.record.metrics.get(key)
            if value is not None and value not in found.setdefault(key, []):
                found[key].append(value)
    return found

"""Which trials of a study a report shows images of: the named points, and some along each axis."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ncsn.base.files import whole_file
from ncsn.base.trial_record import SAMPLES_FOLDER, TrialRecord
from ncsn.sweep.results.estimates import confirmation
from ncsn.sweep.results.findings import ORIGINS, best_trials, different, trials_of
from ncsn.sweep.search.read import StudyData

MOST_ALONG = 24  # points of a study of one axis
BINS = 7  # of each of several axes


def named_trials(data: StudyData) -> dict[str, int]:
    """Returns the numbers of the best, drawn again, present, advised and worst complete trials.

    "confirmed" is the best of the trials with fresh draws; it is left out where it is the best.
    """
    best = best_trials(data)
    complete = [trial for trial in data.trials if trial.objectives is not None]
    if not complete:
        return {}
    found = {"best": best[0].number} if best else {}
    again = [t for t in best if (confirmation(t, data) or {}).get("values")]
    if again and again[0] is not best[0]:
        found["confirmed"] = again[0].number
    for origin in ORIGINS[::-1]:
        same = [t for t in trials_of(origin, data) if t.objectives is not None]
        if same:
            found[origin] = same[-1].number
    worst = max(complete, key=lambda trial: _cost(trial, data))
    return found | {"worst": worst.number}


def trials_along(data: StudyData) -> dict[str, list[int]]:
    """Returns for each axis the numbers of complete trials with values along it, in order.

    A study of one axis has all its points, others the best trial of each choice or of each of
    BINS parts of the range: the other axes move too.
    """
    complete = different(trial for trial in data.trials if trial.objectives is not None)
    return {name: _along(name, axis, complete, data) for name, axis in data.axes.items()}


def write_pictures(
    data: StudyData, pictures: Mapping[int, bytes], folder: Path, earlier: Mapping[str, Any]
) -> dict[str, Any]:
    """Writes the PNG files of the trials that are shown; returns what study.json says of them.

    Files that an earlier export lists and this one does not are deleted. Those of a trial that
    the earlier export has, too, stay where the trial's images lie on another machine.

    Args:
        data: the study.
        pictures: PNG files by number of the trial.
        folder: of the export.
        earlier: study.json of the earlier export, empty without one.
    """
    named, along = named_trials(data), trials_along(data)
    wanted = sorted({*named.values(), *(number for row in along.values() for number in row)})
    before = dict((earlier.get("samples") or {}).get("files", {}))
    same = earlier.get("begun") == begun(data)
    files = {}
    for number in wanted:
        name = f"{SAMPLES_FOLDER}/{number}.png"
        if number in pictures:
            with whole_file(folder / name) as partial:
                partial.write_bytes(pictures[number])
        elif not (same and before.get(str(number)) == name and (folder / name).is_file()):
            continue
        files[str(number)] = name
    for name in set(before.values()) - set(files.values()):
        (folder / name).unlink(missing_ok=True)
    return {"files": files, "named": named, "along": along}


def begun(data: StudyData) -> str | None:
    """Returns when the first trial began: it tells two studies of one name apart."""
    return min((trial.started for trial in data.trials if trial.started), default=None)


def _along(
    name: str, axis: Mapping[str, Any], complete: list[TrialRecord], data: StudyData
) -> list[int]:
    here = [trial for trial in complete if name in trial.point]
    if "choices" in axis:
        order = list(axis["choices"])
        here.sort(key=lambda trial: order.index(trial.point[name]))
        groups = _grouped(here, [order.index(trial.point[name]) for trial in here])
    else:
        here.sort(key=lambda trial: float(trial.point[name]))
        if len(data.axes) == 1:
            step = -(-len(here) // MOST_ALONG) or 1
            return [trial.number for trial in here[::step]]
        groups = _grouped(here, _bins([float(t.point[name]) for t in here], bool(axis.get("log"))))
    return [min(group, key=lambda trial: _cost(trial, data)).number for group in groups]


def _bins(values: list[float], log: bool) -> list[int]:
    """Part of the range of each value; few different values have a part each."""
    distinct = sorted(set(values))
    if len(distinct) <= BINS:
        return [distinct.index(value) for value in values]
    scaled = [math.log(value) for value in values] if log else values
    low, high = min(scaled), max(scaled)
    return [min(BINS - 1, int(BINS * (value - low) / (high - low))) for value in scaled]


def _grouped(trials: Iterable[TrialRecord], groups: Iterable[int]) -> list[list[TrialRecord]]:
    found: dict[int, list[TrialRecord]] = {}
    for trial, group in zip(trials, groups, strict=True):
        found.setdefault(group, []).append(trial)
    return [found[group] for group in sorted(found)]


def _cost(trial: TrialRecord, data: StudyData) -> float:
    """The first objective, small for good trials."""
    sign = 1 if next(iter(data.objectives.values())) == "minimize" else -1
    return sign * (trial.objectives or (math.inf,))[0]

"""A study as two files that need neither Optuna nor its database: trials.csv and study.json.

trials.csv has a row for each trial that was begun, study.json what the study is and what it says.
The reports read these two files alone.
"""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna

from ncsn.base.files import whole_file
from ncsn.base.trial_record import STUDY_FILE, TRIALS_FILE
from ncsn.sweep.results.findings import (
    best_trials,
    conditions,
    edge_warnings,
    theory_and_search,
    trainings,
    trial_summary,
    wall_seconds,
)
from ncsn.sweep.results.importances import importances
from ncsn.sweep.results.read import STATES, StudyData, Tried, read_study

_FIRST = ("number", "state", "origin", "feasible")
_LAST = ("seconds", "train_key", "worker", "started", "finished", "seeds", "reason")
_ORACLE = "-oracle"
NUM_BEST = 10  # trials in study.json; trials.csv has all


def export_study(
    storage: str | optuna.storages.BaseStorage, name: str, folder: str | Path
) -> dict[str, Any]:
    """Writes trials.csv and study.json into `folder` and returns what study.json holds.

    Args:
        storage: address or storage of Optuna.
        name: full name of the study.
        folder: made if it does not exist; other files in it are left alone.

    Raises:
        UserError: the storage has no such study.
    """
    data = read_study(storage, name)
    rows, summary = trial_rows(data), study_summary(data)
    with whole_file(Path(folder) / TRIALS_FILE) as partial:
        with open(partial, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, _columns(data, rows), restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    text = json.dumps(_finite(summary), indent=2, allow_nan=False)
    with whole_file(Path(folder) / STUDY_FILE) as partial:
        partial.write_text(text + "\n")
    return summary


def trial_rows(data: StudyData) -> list[dict[str, Any]]:
    """Returns one row a trial: axes under their names, metrics and conditions under their keys.

    `seconds` is that of all stages, `seconds/<stage>` of one, `how/<stage>` is ran, cached or
    unchanged, `by_seed/<metric>` a JSON list.
    """
    return [_row(tried) for tried in data.tried]


def study_summary(data: StudyData) -> dict[str, Any]:
    """Returns what study.json holds."""
    counts = {state: 0 for state in STATES.values()}
    for tried in data.tried:
        counts[tried.record.state] += 1
    return {
        "study": data.name,
        "file": _file_name(data),
        "size": data.attrs.get("size"),
        "model": data.attrs.get("model"),
        "purpose": data.spec.get("purpose", ""),
        "commit": data.attrs.get("commit"),
        "dirty": data.attrs.get("dirty"),
        "objectives": data.objectives,
        "axes": data.axes,
        "scientific": data.spec.get("scientific", []),
        "nuisance": data.spec.get("nuisance", []),
        "fixed": data.size.get("fixed", {}),
        "preset": data.size.get("preset"),
        "budget": data.size.get("budget", {}),
        "sampler": data.spec.get("sampler", {}),
        "pruner": data.spec.get("pruner", {}),
        "seeds": data.spec.get("seeds", 1),
        "counts": counts | {"waiting": data.num_waiting},
        "infeasible": sum(not tried.feasible for tried in data.tried),
        "conditions": conditions(data),
        "wall_seconds": wall_seconds(data),
        "worker_seconds": sum(tried.record.wall_seconds() for tried in data.tried),
        "workers": len({t.record.worker for t in data.tried if t.record.worker is not None}),
        "trainings": trainings(data),
        "best": [trial_summary(tried, data) for tried in _shown(data)],
        "theory_and_search": theory_and_search(data),
        "edges": edge_warnings(data),
        "importances": importances(data),
        "commands": commands(data),
        "spec": data.spec,
        "advised": data.attrs.get("advised"),
        "present": data.attrs.get("present"),
    }


def _shown(data: StudyData) -> list[Tried]:
    """The whole front, or the first of a ranking."""
    best = best_trials(data)
    return best if len(data.objectives) > 1 else best[:NUM_BEST]


def commands(data: StudyData) -> list[str]:
    """Returns what to type to get the study again and to take over its best trial."""
    size = f" --size {data.attrs['size']}" if data.attrs.get("size") else ""
    oracle = " --model oracle" if data.attrs.get("model") == "oracle" else ""
    run = f"python pipeline/sweep.py run {_file_name(data)}{size}{oracle}"
    best = best_trials(data)
    if not best:
        return [run]
    number = best[0].record.number
    return [run, f"python pipeline/sweep.py apply {data.name} --trial {number}", "dvc repro"]


def _file_name(data: StudyData) -> str:
    name = data.name.removesuffix(_ORACLE)
    return name.removesuffix(f"-{data.attrs['size']}") if data.attrs.get("size") else name


def _row(tried: Tried) -> dict[str, Any]:
    record = tried.record
    row: dict[str, Any] = {
        "number": record.number,
        "state": record.state,
        "origin": record.origin,
        "feasible": tried.feasible,
        **{name: _cell(value) for name, value in tried.point.items()},
        **record.metrics,
        "seconds": record.wall_seconds(),
        "train_key": record.train_key,
        "worker": record.worker,
        "started": record.started,
        "finished": record.finished,
        "seeds": " ".join(map(str, record.seeds)),
        "reason": record.reason,
    }
    row |= {f"seconds/{name}": seconds for name, seconds in record.seconds.items()}
    row |= {f"how/{name}": how for name, how in record.stages.items()}
    return row | {f"by_seed/{key}": json.dumps(list(v)) for key, v in record.by_seed.items()}


def _cell(value: Any) -> Any:
    """A choice as params.yaml spells it: null is a value, an empty cell an absent axis."""
    return json.dumps(value) if value is None or isinstance(value, bool) else value


def _columns(data: StudyData, rows: list[dict[str, Any]]) -> list[str]:
    """Fixed ones first and last, axes and objectives in the study's order, the rest sorted."""
    known = [*_FIRST, *data.axes, *data.objectives]
    others = {name for row in rows for name in row} - {*known, *_LAST}
    return list(dict.fromkeys([*known, *sorted(others), *_LAST]))


def _finite(value: Any) -> Any:
    """Infinities and NaN are no JSON; they become None."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not (value - value == 0):
        return None
    return value

"""A study as two files that need neither Optuna nor its database: trials.csv and study.json.

trials.csv has a row for each trial that was begun, study.json what the study is and what it says.
The reports read these two files alone.
"""

import contextlib
import csv
import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncsn.base.errors import UserError
from ncsn.base.files import read_json, whole_file
from ncsn.base.trial_record import STUDY_FILE, TRIALS_FILE, TrialRecord
from ncsn.base.yaml_file import yaml_value
from ncsn.sweep.results.conclusions import conclusions, verdict_values
from ncsn.sweep.results.estimates import confirmation
from ncsn.sweep.results.findings import (
    best_trials,
    conditions,
    edge_warnings,
    theory_and_search,
    trainings,
    trial_summary,
    wall_seconds,
)
from ncsn.sweep.results.pictured import begun, write_pictures
from ncsn.sweep.search.database import Storage
from ncsn.sweep.search.importances import importances
from ncsn.sweep.search.pictures import kept_samples
from ncsn.sweep.search.read import STATES, StudyData, read_study
from ncsn.sweep.search.remainder import remainder
from ncsn.sweep.studies.plan import study_words

_FIRST = ("number", "state", "origin", "feasible")
_LAST = (
    *("told_apart", "seconds", "train_key", "worker"),
    *("started", "finished", "trainings", "draws", "train_seeds", "seeds", "reason"),
)
_ORACLE = "-oracle"
ENDINGS = ("complete", "pruned", "failed")
NUM_BEST = 10  # trials in study.json; trials.csv has all


def export_study(
    storage: Storage, name: str, folder: str | Path, artifacts: Path | None = None
) -> dict[str, Any]:
    """Writes trials.csv, study.json and sample images; returns what study.json holds.

    Args:
        storage: address or storage of Optuna.
        name: full name of the study.
        folder: made if it does not exist; other files in it are left alone.
        artifacts: folder of the trials' images; None has none.

    Raises:
        UserError: the storage has no such study.
    """
    data = read_study(storage, name)
    told = verdict_values(data)
    rows = [_row(trial) | _again(trial, data, told) for trial in data.trials]
    summary = _summary(data) | {"importances": importances(storage, data)}
    summary |= remainder(storage, name)
    pictures = kept_samples(storage, name, artifacts) if artifacts else {}
    summary["samples"] = write_pictures(data, pictures, Path(folder), _earlier(Path(folder)))
    summary["begun"] = begun(data)
    with whole_file(Path(folder) / TRIALS_FILE) as partial:
        with open(partial, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, _columns(data, rows), restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    text = json.dumps(_finite(summary), indent=2, allow_nan=False)
    with whole_file(Path(folder) / STUDY_FILE) as partial:
        partial.write_text(text + "\n")
    return summary


def fuller(data: StudyData, folder: Path) -> str | None:
    """Returns in what the export in `folder` is fuller than the study; None where in nothing.

    Args:
        data: the study.
        folder: of an export, or of none.
    """
    earlier = _earlier(folder)
    before = sum(earlier.get("counts", {}).get(state, 0) for state in ENDINGS)
    again = len(earlier.get("attrs", {}).get("confirmed", {}))
    now = sum(trial.state in ENDINGS for trial in data.trials)
    now_again = len(data.attrs.get("confirmed", {}))
    if before > now:
        return f"{before} trials that ended, the database has {now}"
    if before == now and again > now_again:
        return f"{again} points drawn again, the database has {now_again}"
    return None


def _earlier(folder: Path) -> dict[str, Any]:
    """What the export that lies there says, empty where there is none that can be read."""
    with contextlib.suppress(UserError):
        return read_json(folder / STUDY_FILE)
    return {}


def _summary(data: StudyData) -> dict[str, Any]:
    counts = {state: 0 for state in STATES.values()}
    for trial in data.trials:
        counts[trial.state] += 1
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
        "draws": data.size.get("draws") or data.spec.get("draws") or data.spec.get("seeds", 1),
        "num_trainings": _num_trainings(data),
        "counts": counts | {"waiting": data.num_waiting},
        "infeasible": sum(not trial.feasible for trial in data.trials),
        "conditions": conditions(data),
        "wall_seconds": wall_seconds(data.trials),
        "worker_seconds": sum(trial.wall_seconds() for trial in data.trials),
        "workers": len({t.worker for t in data.trials if t.worker is not None}),
        "trainings": trainings(data),
        "best": _best(data),
        "conclusions": conclusions(data),
        "theory_and_search": theory_and_search(data),
        "edges": edge_warnings(data),
        "commands": commands(data),
        "spec": data.spec,
        "advised": data.attrs.get("advised"),
        "present": data.attrs.get("present"),
    }


def _num_trainings(data: StudyData) -> int:
    """Of each point in the search; an exact score has no training, and counts as one."""
    if data.attrs.get("model") == "oracle":
        return 1
    return int(data.size.get("trainings") or data.spec.get("trainings", 1))


def _best(data: StudyData) -> list[dict[str, Any]]:
    """The whole front, or the first of a ranking and whether they are told from the best."""
    best, told = best_trials(data), verdict_values(data)
    shown = best if len(data.objectives) > 1 else best[:NUM_BEST]
    return [trial_summary(t, data) | {"told_apart": told.get(t.number)} for t in shown]


def _again(trial: TrialRecord, data: StudyData, told: Mapping[int, bool]) -> dict[str, Any]:
    """Columns of what later draws and the other trials say: `fresh/<metric>`, `told_apart`."""
    row: dict[str, Any] = {"told_apart": told.get(trial.number)}
    fresh = (confirmation(trial, data) or {}).get("values", {})
    return row | {f"fresh/{key}": json.dumps(list(values)) for key, values in fresh.items()}


def commands(data: StudyData) -> list[str]:
    """Returns what to type to get the study again and to take over its best trial."""
    study = study_words(_file_name(data), data.attrs.get("size"), data.attrs.get("model"))
    settings = [f" --set {_set_word(*pair)}" for pair in data.attrs.get("settings", {}).items()]
    run = f"python pipeline/sweep.py run {study}{''.join(settings)}"
    best = best_trials(data)
    if not best:
        return [run]
    bring = f"python pipeline/sweep.py import {data.name}"
    apply = f"python pipeline/sweep.py apply {study} --trial {best[0].number} --all"
    return [bring, run, apply, "dvc repro"]


def _set_word(key: str, value: Any) -> str:
    """KEY=VALUE as a shell and then `--set` read it, as YAML, of which JSON is a part."""
    is_word = isinstance(value, str) and re.fullmatch(r"[\w./-]+", value)
    is_plain = is_word and yaml_value(value, key) == value
    return shlex.quote(f"{key}={value if is_plain else json.dumps(value)}")


def _file_name(data: StudyData) -> str:
    name = data.name.removesuffix(_ORACLE)
    return name.removesuffix(f"-{data.attrs['size']}") if data.attrs.get("size") else name


def _row(trial: TrialRecord) -> dict[str, Any]:
    """Axes under their names, metrics and conditions under their keys.

    `seconds` is that of all stages, `seconds/<stage>` of one, `how/<stage>` is ran, cached or
    unchanged, `by_seed/<metric>` a JSON list with one value per draw, those of the first training
    first; `draws` are those of each training.
    """
    row: dict[str, Any] = {
        "number": trial.number,
        "state": trial.state,
        "origin": trial.origin,
        "feasible": trial.feasible,
        **{name: _cell(value) for name, value in trial.point.items()},
        **trial.metrics,
        "seconds": trial.wall_seconds(),
        "train_key": trial.train_key,
        "worker": trial.worker,
        "started": trial.started,
        "finished": trial.finished,
        "trainings": trial.num_trainings,
        "draws": len(trial.seeds) // trial.num_trainings,
        "train_seeds": " ".join(map(str, trial.train_seeds)),
        "seeds": " ".join(map(str, trial.seeds)),
        "reason": trial.reason,
    }
    row |= {f"seconds/{name}": seconds for name, seconds in trial.seconds.items()}
    row |= {f"how/{name}": status for name, status in trial.stages.items()}
    return row | {f"by_seed/{key}": json.dumps(list(v)) for key, v in trial.by_seed.items()}


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

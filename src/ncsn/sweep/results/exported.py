"""An export read back: the trials of trials.csv as records, what study.json says as it stands.

Exports of earlier versions lack what `search.remainder` gives; of the values that their trials
set, those of the axes and of the study file are known.
"""

import contextlib
import csv
import io
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

from ncsn.base import metric_names as keys
from ncsn.base.errors import UserError
from ncsn.base.reading import read_text
from ncsn.base.records import StudyRecord, read_record
from ncsn.base.trial_record import STUDY_FILE, TRIALS_FILE, State, TrialRecord
from ncsn.sweep.results.estimates import SAMPLES

_WHOLE = re.compile(r"-?\d+")
_OWN = {
    *("number", "state", "origin", "feasible", "told_apart", "seconds", "train_key", "worker"),
    *("started", "finished", "trainings", "draws", "train_seeds", "seeds", "reason"),
}
_OF_EVERY_PRESET = "model.name"
_GROUPS = ("seconds/", "how/", "by_seed/", "fresh/")


class ExportedStudy(NamedTuple):
    """A study of an export.

    Attributes:
        folder: where it lies.
        summary: content of study.json.
        trials: by number, without those that only wait.
        rest: of each trial, as `search.remainder` gives it; empty for an earlier version.
        pictures: PNG files of images by number of the trial.
    """

    folder: Path
    summary: dict[str, Any]
    trials: tuple[TrialRecord, ...]
    rest: dict[int, dict[str, Any]]
    pictures: dict[int, Path]

    @property
    def name(self) -> str:
        """Full name of the study."""
        return str(self.summary["study"])


def read_export(folder: Path) -> ExportedStudy:
    """Reads an export.

    Raises:
        UserError: a file is missing, or holds something else.
    """
    path = folder / STUDY_FILE
    if not path.exists():
        raise UserError(f"{path} is missing: the folder holds no exported study")
    summary = read_record(path, StudyRecord)
    rest = {int(one["number"]): one for one in summary.get("trials", [])}
    table = folder / TRIALS_FILE
    rows = csv.DictReader(io.StringIO(read_text(table, "an export of a study")))
    try:
        trials = tuple(_record(row, summary, rest) for row in rows)
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{table}: not the trials of {path} ({error!r})") from None
    files = (summary.get("samples") or {}).get("files", {})
    pictures = {int(n): folder / name for n, name in files.items() if (folder / name).is_file()}
    return ExportedStudy(folder, summary, trials, rest, pictures)


def refuse_partial(trials: Iterable[TrialRecord], name: str) -> None:
    """Refuses trials of which not all values are known, since others would take their place.

    Args:
        trials: of the study.
        name: its full name.

    Raises:
        UserError: one came from an export of an earlier version.
    """
    for trial in trials:
        if _OF_EVERY_PRESET not in trial.values:
            raise UserError(
                f"{name}: trial {trial.number} came from an export of an earlier version, without "
                "all of its values; `run --fresh` runs the study anew"
            )


def _record(
    row: dict[str, str], summary: Mapping[str, Any], rest: Mapping[int, Mapping[str, Any]]
) -> TrialRecord:
    number, state, axes = int(row["number"]), row["state"], summary["axes"]
    if state not in get_args(State):
        raise ValueError(f"trial {number}: no such state: {state}")
    point = {name: _choice(row[name], axis) for name, axis in axes.items() if row.get(name)}
    metrics = {
        name: text if name in keys.TEXTS else _number(text)
        for name, text in row.items()
        if text and name not in axes and name not in _OWN and not name.startswith(_GROUPS)
    }
    own = rest.get(number)
    values = _older_values(summary, point, metrics)
    if own is not None:
        values = {**summary["shared_values"], **own.get("values", {})}
    complete = state == "complete"
    return TrialRecord(
        number,
        state,  # type: ignore[arg-type]  # one of State
        values=values,
        metrics=metrics,
        by_seed=_json_columns(row, "by_seed/"),
        stages=_columns(row, "how/"),
        seconds={name: float(text) for name, text in _columns(row, "seconds/").items()},
        train_key=row.get("train_key") or None,
        trained=(own or {}).get("trained", {}),
        worker=_worker(row["worker"]),
        origin=row["origin"],
        reason=row.get("reason") or None,
        started=row.get("started") or None,
        finished=row.get("finished") or None,
        seeds=tuple(map(int, row.get("seeds", "").split())),
        train_seeds=tuple(map(int, row.get("train_seeds", "").split())),
        point=point,
        objectives=tuple(float(row[name]) for name in summary["objectives"]) if complete else None,
        feasible=row["feasible"] != "False",
    )


def _older_values(
    summary: Mapping[str, Any], point: Mapping[str, Any], metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """What an earlier version tells of a trial's values."""
    own = dict(summary.get("fixed", {}))
    if "sample/num_samples" in metrics:
        own[SAMPLES] = int(metrics["sample/num_samples"])
    for name, value in point.items():
        choices = summary["axes"][name].get("choices")
        own |= choices[value] if isinstance(choices, dict) else {name: value}
    return own


def _choice(text: str, axis: Mapping[str, Any]) -> Any:
    """An axis' value; a choice is found by its text, null and true as JSON writes them."""
    if "choices" not in axis:
        return int(text) if axis["type"] == "int" else float(text)
    for choice in axis["choices"]:
        spelled = json.dumps(choice) if choice is None or isinstance(choice, bool) else str(choice)
        if spelled == text:
            return choice
    raise ValueError(f"{text} is none of the choices of the axis")


def _number(text: str) -> Any:
    """A metric: a whole number, a float, or text."""
    if _WHOLE.fullmatch(text):
        return int(text)
    with contextlib.suppress(ValueError):
        return float(text)
    return text


def _worker(text: str) -> str | int | None:
    return int(text) if _WHOLE.fullmatch(text) else text or None


def _columns(row: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {k.removeprefix(prefix): v for k, v in row.items() if k.startswith(prefix) and v}


def _json_columns(row: Mapping[str, str], prefix: str) -> dict[str, Any]:
    return {name: json.loads(text) for name, text in _columns(row, prefix).items()}

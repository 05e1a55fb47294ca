"""A study's exported files as one table and one summary, and the titles of what they hold.

`trials.csv` and `study.json` are all that the reports of sweeps read. The title of a metric always
names the conditions under which it was measured.
"""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ncsn.base import metric_names as keys
from ncsn.base.errors import UserError
from ncsn.base.numbers import with_error
from ncsn.base.reading import one_line, read_text, remake_hint
from ncsn.base.records import StudyRecord, read_record
from ncsn.base.trial_record import STUDY_FILE, TRIALS_FILE

MAKER = "`python pipeline/sweep.py report STUDY`"
EVALUATIONS = "sample/network_evaluations_per_image"
_TEXTS = ("train_key", "reason", "seeds", "train_seeds", "worker")
_MEASURES = {measure.key: measure for measure in keys.MEASURES}
_COLUMNS = (
    *("state", "origin", "feasible", "told_apart", "seconds"),
    *("train_key", "how/train", "trainings", "reason"),
)


class SweepStudy(NamedTuple):
    """A study.

    Attributes:
        summary: content of study.json.
        trials: rows of trials.csv; axes with choices hold text, absent values are NaN.
    """

    summary: dict[str, Any]
    trials: pd.DataFrame

    @property
    def name(self) -> str:
        """Full name of the study."""
        return str(self.summary["study"])

    @property
    def axes(self) -> dict[str, dict[str, Any]]:
        """Axes by name, as the study file has them."""
        return dict(self.summary["axes"])

    @property
    def objectives(self) -> dict[str, str]:
        """Direction by metric key."""
        return dict(self.summary["objectives"])

    @property
    def source(self) -> str:
        """Where the scores come from: "oracle" or "network"."""
        return "oracle" if self.summary["model"] == "oracle" else "network"

    def complete(self) -> pd.DataFrame:
        """Returns the trials that have all objectives."""
        rows = self.trials[self.trials["state"] == "complete"]
        return rows.dropna(subset=list(self.objectives))

    def best(self) -> pd.Series | None:
        """Returns the best trial's row (of a front, the best by the first objective), or None."""
        if not self.summary["best"]:
            return None
        return self.row(self.summary["best"][0]["number"])

    def row(self, number: int) -> pd.Series:
        """Returns a trial's row by its number."""
        return self.trials[self.trials["number"] == number].iloc[0]


def read_exported(folder: str | Path) -> SweepStudy:
    """Reads the two files of a study.

    Raises:
        UserError: one of them is missing or broken.
    """
    summary = _summary(Path(folder) / STUDY_FILE)
    texts = [name for name, axis in summary["axes"].items() if "choices" in axis]
    path = Path(folder) / TRIALS_FILE
    text = read_text(path, MAKER)
    try:
        trials = pd.read_csv(
            io.StringIO(text),
            dtype=dict.fromkeys([*texts, *_TEXTS], str),
            keep_default_na=False,
            na_values=[""],
        )
    except ValueError as error:
        raise UserError(f"{path}: not a table ({one_line(error)}){remake_hint(MAKER)}") from None
    for name in ("number", *summary["objectives"]):
        if name not in trials or (len(trials) and trials[name].dtype.kind not in "iuf"):
            raise UserError(f"{path}: column {name!r} must hold numbers{remake_hint(MAKER)}")
    if absent := {trial["number"] for trial in summary["best"]} - set(trials["number"]):
        raise UserError(f"{path}: lacks trial {min(absent)}, one of the best{remake_hint(MAKER)}")
    wanted = [*trials.columns, *_COLUMNS, *summary["axes"], *summary["objectives"]]
    return SweepStudy(summary, trials.reindex(columns=list(dict.fromkeys(wanted))))


def _summary(path: Path) -> dict[str, Any]:
    """What a study's file holds; one of an earlier version has no conclusions and says so."""
    if not path.exists():
        raise UserError(f"{path} is missing; {MAKER} makes it")
    summary = read_record(path, StudyRecord)
    summary.setdefault("draws", summary.get("seeds", 1))
    summary.setdefault("num_trainings", 1)
    summary.setdefault("conclusions", [f"Exported without conclusions; {MAKER} draws them."])
    return summary


def shown_value(trial: dict[str, Any], objective: str) -> float | None:
    """Returns the value that speaks for a trial of study.json: that of fresh draws, if any."""
    shown = trial.get("shown", {}).get(objective)
    value = shown["mean"] if shown else trial["objectives"].get(objective)
    return None if value is None else float(value)


def metric_title(study: SweepStudy, key: str) -> str:
    """Returns a metric's name with its conditions: "FID (classifier, layer 128; 300 vs 359)"."""
    if key == EVALUATIONS:
        return "Network evaluations per image"
    if key not in _MEASURES:
        return key
    measure = _MEASURES[key]
    known = study.summary["conditions"]
    extractor, layer, samples, real = (
        "/".join(map(_count, known.get(name, ["?"])))
        for name in (keys.EXTRACTOR, keys.FEATURE_LAYER, keys.FID_NUM_SAMPLES, keys.NUM_REFERENCE)
    )
    measured_on, against = {
        "features": (f"{extractor}, layer {layer}", f" vs {real}"),
        "pixels": ("raw pixels", f" vs {real}"),
        "classes": (f"{extractor}, class outputs", ""),
    }[measure.measured_on]
    return f"{measure.title} ({measured_on}; {samples}{against})"


def axis_number(value: float) -> str:
    """Returns a number of an axis as params.yaml and trials.csv write it, to four digits.

    >>> axis_number(1e-05), axis_number(0.000168712), axis_number(50.0), axis_number(20000)
    ('1e-05', '0.0001687', '50', '20000')
    """
    if isinstance(value, int):
        return str(value)
    return repr(float(f"{value:.4g}")).removesuffix(".0")


def _count(value: Any) -> str:
    """A number of images is whole, though its mean over seeds is a float."""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def trained(trials: pd.DataFrame) -> pd.Series:
    """Returns which trials trained a network themselves, bool."""
    return trials["how/train"] == "ran"


def standard_errors(trials: pd.DataFrame, key: str) -> np.ndarray | None:
    """Returns the standard error of each trial's mean in the search, None for one draw each.

    Draws of one training are not independent; with several trainings their means are.
    """
    name = f"by_seed/{key}"
    if name not in trials or trials[name].isna().all():
        return None
    both = zip(trials[name], trials["trainings"].fillna(1).astype(int), strict=True)
    values = [_independent(text, trainings) for text, trainings in both]
    return np.array([np.std(v, ddof=1) / len(v) ** 0.5 if len(v) > 1 else 0.0 for v in values])


def value_texts(study: SweepStudy, key: str) -> dict[int, str]:
    """Returns what each complete trial had in the search, with its standard error, by number."""
    trials = study.complete()
    errors = standard_errors(trials, key)
    shown = np.zeros(len(trials)) if errors is None else errors
    rows = zip(trials["number"], trials[key], shown, strict=True)
    return {int(number): with_error(value, error) for number, value, error in rows}


def _independent(text: Any, trainings: int) -> np.ndarray:
    values = np.array([] if pd.isna(text) else json.loads(text))
    return values.reshape(trainings, -1).mean(1) if trainings > 1 and len(values) else values


def not_told_apart(trials: pd.DataFrame) -> pd.Series:
    """Returns which trials cannot be told from the best, or are it; none where nobody knows."""
    return trials["told_apart"].map(lambda value: str(value) == "False").astype(bool)


def is_log(axis: dict[str, Any]) -> bool:
    """Whether the axis is searched on a log scale."""
    return bool(axis.get("log"))


def numeric_axes(study: SweepStudy, names: Sequence[str] | None = None) -> list[str]:
    """Returns the axes that are ranges of numbers, of `names` or of all."""
    return [name for name in names or study.axes if "low" in study.axes[name]]

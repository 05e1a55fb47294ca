"""The best trials of an exported study as runs, for studies that no store holds."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from ncsn.base import metric_names as keys
from ncsn.base.run_record import RunRecord, as_text
from ncsn.base.trial_record import STUDY_FILE
from ncsn.config.paths import STUDIES
from ncsn.config.preset import preset_values
from ncsn.maths.told_apart import Draws, by_training
from ncsn.report.sweep.inputs import SweepStudy, read_exported


def exported_names(root: str | Path = ".") -> list[str]:
    """Returns the names of the studies that were exported."""
    return sorted(path.parent.name for path in Path(root, STUDIES).glob(f"*/{STUDY_FILE}"))


def exported_records(name: str, count: int, root: str | Path = ".") -> list[RunRecord]:
    """Returns the best trials of an exported study, in the order of its report.

    Args:
        name: of its folder.
        count: at most so many.
        root: the project's top folder.

    Raises:
        UserError: a file of the study is missing or broken.
    """
    study = read_exported(Path(root, STUDIES, name))
    numbers = [trial["number"] for trial in study.summary["best"][:count]]
    return [_record(study, name, study.row(number)) for number in numbers]


def _record(study: SweepStudy, name: str, row: pd.Series) -> RunRecord:
    summary = study.summary
    known = {str(key): value for key, value in row.items() if not _absent(value)}
    params = _params(study, known)
    if summary.get("model") == "oracle":
        params["model.name"] = "oracle"
    measured = {key: value for key, value in known.items() if _is_measured(key)}
    return RunRecord(
        name=f"{name} {known['number']}",
        source=f"{STUDIES}/{name}",
        params={key: as_text(value) for key, value in params.items()},
        metrics={k: float(v) for k, v in measured.items() if isinstance(v, int | float)
                 and k not in _TEXTS},
        texts={k: f"{v:.10g}" if isinstance(v, float) else str(v) for k, v in measured.items()
               if isinstance(v, str) or k in _TEXTS}
        | {"mlflow.source.git.commit": str(summary.get("commit") or "–")},
        draws=_draws(known),
        when=str(known.get("finished", "")),
    )  # fmt: skip


def _params(study: SweepStudy, known: dict[str, Any]) -> dict[str, Any]:
    """The values of a trial and its point; what an earlier version did not export is absent."""
    summary, point = study.summary, {name: known[name] for name in study.axes if name in known}
    exported = {trial["number"]: trial for trial in summary.get("trials", [])}
    own = exported.get(known["number"], {})
    if "values" in own:
        return point | summary["shared_values"] | own["values"]
    params = preset_values(summary["preset"]) if summary.get("preset") else {}
    params = params | summary.get("fixed", {}) | point
    for name, axis in study.axes.items():
        if axis["type"] == "bundle":
            params |= axis["choices"].get(str(point.get(name)), {})
        params = {key: value for key, value in params.items() if key not in axis.get("tied", {})}
    return params


def _draws(known: dict[str, Any]) -> dict[str, Draws]:
    """Each metric's values at several draws; an earlier version knew of one training alone."""
    trainings = int(known.get("trainings", 1))
    texts = {m.key: known.get(f"by_seed/{m.key}") for m in keys.MEASURES}
    return {key: by_training(json.loads(text), trainings) for key, text in texts.items() if text}


_TEXTS = ("eval/feature_layer", "eval/classifier_seed")  # a CSV cannot tell 128 from "128"


def _is_measured(key: str) -> bool:
    return key.startswith(("eval/", "oracle/", "sample/", "seconds/", "matched_floor/"))


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))

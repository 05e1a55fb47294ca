"""An exported study in the database of studies, as if its trials had been run here."""

import hashlib
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from ncsn.base.errors import UserError
from ncsn.base.trial_record import TrialRecord
from ncsn.sweep.results.exported import ExportedStudy
from ncsn.sweep.search.optuna_private import set_study_system_attr
from ncsn.sweep.search.pictures import artifact_attrs
from ncsn.sweep.search.read import NO_REASON, STATES, StudyData, read_study
from ncsn.sweep.search.remainder import SHOWN
from ncsn.sweep.search.study import load_study, study_names

_STATES = {name: state for state, name in STATES.items()}


def restore_study(storage: RDBStorage, exported: ExportedStudy, artifacts: Path) -> int:
    """Adds the trials that the database lacks; returns how many.

    Args:
        storage: the database.
        exported: the study.
        artifacts: folder of the trials' images.

    Raises:
        UserError: the database has a study of this name with other trials; it stays as it is.
    """
    begun = 0
    if exported.name in study_names(storage):
        begun = _common(read_study(storage, exported.name), exported)
    else:
        _make(storage, exported)
    study = load_study(storage, exported.name)
    for number, trial in _numbered(exported).items():
        if number >= begun:
            study.add_trial(_frozen(number, trial, exported, artifacts))
    return max(0, len(_numbered(exported)) - begun)


def _numbered(exported: ExportedStudy) -> dict[int, TrialRecord | None]:
    """Trials by number, None for one that waits; Optuna numbers them without a gap."""
    found: dict[int, TrialRecord | None] = {trial.number: trial for trial in exported.trials}
    found |= {n: None for n, rest in exported.rest.items() if rest.get("state") == "waiting"}
    if sorted(found) != list(range(len(found))):
        lacking = min(set(range(max(found) + 1)) - set(found), default=0)
        raise UserError(f"{exported.folder}: lacks trial {lacking}")
    return dict(sorted(found.items()))


def _common(data: StudyData, exported: ExportedStudy) -> int:
    """Number of trials that the database has, where one of the two is the beginning of the other.

    An import that was interrupted left a beginning; a study that went on has more.
    """
    here, there = ([_identity(t) for t in trials] for trials in (data.trials, exported.trials))
    count = min(len(here), len(there))
    if here[:count] != there[:count]:
        raise UserError(
            f"{exported.folder}: the database has a study '{exported.name}' with other trials; it "
            "stays as it is. Take another database for this one: "
            "NCSN_SWEEP_STORAGE=sqlite:///published.db"
        )
    return len(here) + data.num_waiting


def _identity(trial: TrialRecord) -> tuple[Any, ...]:
    return trial.number, trial.started, dict(trial.point), trial.objectives


def _make(storage: RDBStorage, exported: ExportedStudy) -> None:
    summary = exported.summary
    directions = list(summary["objectives"].values())
    study = optuna.create_study(storage=storage, study_name=exported.name, directions=directions)
    if "system_attrs" in summary:
        for name, value in summary["system_attrs"].items():
            set_study_system_attr(study, name, value)
    else:
        experimental = optuna.exceptions.ExperimentalWarning
        with warnings.catch_warnings(action="ignore", category=experimental):
            study.set_metric_names(list(summary["objectives"]))
    known = {name: summary[name] for name in SHOWN if summary.get(name) is not None}
    older = {"study": summary.get("file"), "budget": summary.get("budget")}
    for name, value in {**known, **summary.get("attrs", older)}.items():
        study.set_user_attr(name, value)


def _frozen(
    number: int, trial: TrialRecord | None, exported: ExportedStudy, artifacts: Path
) -> FrozenTrial:
    rest = exported.rest.get(number, {})
    system = dict(rest.get("system_attrs", {}))
    if trial is None:
        attrs = rest.get("user_attrs", {})
        return create_trial(state=TrialState.WAITING, user_attrs=attrs, system_attrs=system)
    if number in exported.pictures:
        png = exported.pictures[number].read_bytes()
        name = hashlib.sha256(f"{exported.name} {number}".encode() + png).hexdigest()[:32]
        system |= artifact_attrs(png, artifacts, name)
    constraints = rest.get("constraints", {} if trial.feasible else {"budget": 1.0})
    axes = exported.summary["axes"]
    frozen = create_trial(
        state=_STATES[trial.state],
        values=list(trial.objectives) if trial.objectives is not None else None,
        params=dict(trial.point),
        distributions={name: _distribution(axes[name]) for name in trial.point},
        user_attrs=_attrs(trial),
        system_attrs=system,
        intermediate_values={int(k): v for k, v in rest.get("intermediate_values", {}).items()},
        constraints=constraints,
    )
    frozen.datetime_start = _local(trial.started) or frozen.datetime_start
    frozen.datetime_complete = _local(trial.finished) or frozen.datetime_complete
    return frozen


def _attrs(trial: TrialRecord) -> dict[str, Any]:
    """A reason that reading made up is made up again."""
    attrs = trial.as_attrs()
    if (trial.reason or "").startswith(NO_REASON):
        attrs["reason"] = None
    return attrs


def _distribution(axis: dict[str, Any]) -> BaseDistribution:
    if "choices" in axis:
        return CategoricalDistribution(list(axis["choices"]))
    kind = IntDistribution if axis["type"] == "int" else FloatDistribution
    return kind(axis["low"], axis["high"], log=bool(axis.get("log")))


def _local(moment: str | None) -> datetime | None:
    """Optuna's times are local and do not say so."""
    if moment is None:
        return None
    return datetime.fromisoformat(moment).astimezone().replace(tzinfo=None)

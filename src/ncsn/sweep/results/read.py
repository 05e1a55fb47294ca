"""A finished or running study, read from Optuna's storage as plain values.

Nothing here writes to the storage. A trial that Optuna has queued but nobody has begun is only
counted.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from ncsn.base.errors import UserError, nearest
from ncsn.base.trial_record import State, TrialRecord

STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}
NO_REASON = "its worker ended without a word"


class Tried(NamedTuple):
    """A trial beside what Optuna alone knows of it.

    Attributes:
        record: the trial.
        point: value of each active axis.
        values: one for each objective, None unless it is complete.
        feasible: whether it keeps the study's constraints.
    """

    record: TrialRecord
    point: dict[str, Any]
    values: tuple[float, ...] | None
    feasible: bool

    @property
    def counts(self) -> bool:
        """Whether it may be called best."""
        return self.values is not None and self.feasible


class StudyData(NamedTuple):
    """A study.

    Attributes:
        name: full name.
        study: Optuna's own object, for its importance evaluators.
        objectives: direction ("minimize" or "maximize") by metric key.
        axes: by name, as the study file has them: type, low, high, log, choices, points, when.
        attrs: what the driver noted: spec, size, model, commit, advised, present.
        tried: trials that were begun, by number.
        num_waiting: queued ones.
    """

    name: str
    study: optuna.Study
    objectives: dict[str, str]
    axes: dict[str, dict[str, Any]]
    attrs: dict[str, Any]
    tried: tuple[Tried, ...]
    num_waiting: int

    @property
    def spec(self) -> dict[str, Any]:
        """The study file, empty for a study that was made without one."""
        return dict(self.attrs.get("spec") or {})

    @property
    def size(self) -> dict[str, Any]:
        """The study's size: preset, fixed values, budget."""
        return dict(self.spec.get("sizes", {}).get(self.attrs.get("size"), {}))


def read_study(storage: str | optuna.storages.BaseStorage, name: str) -> StudyData:
    """Reads a study.

    Args:
        storage: address or storage of Optuna.
        name: full name of the study.

    Raises:
        UserError: the storage has no such study.
    """
    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        names = optuna.get_all_study_names(storage)
        known = ", ".join(names) or "none"
        raise UserError(
            f"no study '{name}' has been run; there are {known}.{nearest(name, names)}"
        ) from None
    trials = study.get_trials(deepcopy=False)
    attrs = dict(study.user_attrs)
    retried = _retried(trials)
    tried = tuple(
        _tried(trial, retried.get(trial.number)) for trial in trials if trial.state in STATES
    )
    objectives = _objectives(study, attrs)
    axes = _axes(attrs, trials)
    return StudyData(name, study, objectives, axes, attrs, tried, len(trials) - len(tried))


def busy_seconds(spans: Iterable[tuple[datetime, datetime]]) -> float:
    """Returns the seconds in which at least one of the spans (begin, end) was under way."""
    total, busy_until = 0.0, None
    for begin, end in sorted(spans):
        start = begin if busy_until is None else max(begin, busy_until)
        total += max(0.0, (end - start).total_seconds())
        busy_until = end if busy_until is None else max(end, busy_until)
    return total


def _tried(trial: FrozenTrial, retried_as: int | None) -> Tried:
    state = STATES[trial.state]
    attrs = dict(trial.user_attrs)
    if state in ("pruned", "failed") and not attrs.get("reason"):
        again = f"; tried again as trial {retried_as}" if retried_as is not None else ""
        attrs["reason"] = ("the pruner ended it" if state == "pruned" else NO_REASON) + again
    for name, moment in (("started", trial.datetime_start), ("finished", trial.datetime_complete)):
        if not attrs.get(name) and moment is not None:
            attrs[name] = moment.astimezone().isoformat()
    record = TrialRecord.from_attrs(trial.number, state, attrs)
    values = tuple(trial.values) if state == "complete" else None
    broken = any(value > 0 for value in trial.constraints.values())
    return Tried(record, dict(trial.params), values, not broken)


def _retried(trials: list[FrozenTrial]) -> dict[int, int]:
    """Number of a trial whose worker died, and of the one that tried its values again."""
    found = {}
    for trial in trials:
        for attrs in (trial.system_attrs, trial.user_attrs):
            history = attrs.get("retry_history") or [attrs.get("failed_trial")]
            if history[-1] is not None:
                found[int(history[-1])] = trial.number
    return found


def _objectives(study: optuna.Study, attrs: Mapping[str, Any]) -> dict[str, str]:
    named = (attrs.get("spec") or {}).get("objectives")
    if named:
        return dict(named)
    names = study.metric_names or [f"objective {i}" for i in range(len(study.directions))]
    return {
        name: direction.name.lower()
        for name, direction in zip(names, study.directions, strict=True)
    }


def _axes(attrs: Mapping[str, Any], trials: list[FrozenTrial]) -> dict[str, dict[str, Any]]:
    spec = attrs.get("spec") or {}
    if spec.get("space"):
        own = spec.get("sizes", {}).get(attrs.get("size"), {}).get("space") or {}
        return {name: dict(own.get(name, axis)) for name, axis in spec["space"].items()}
    found: dict[str, dict[str, Any]] = {}
    for trial in trials:
        for name, distribution in trial.distributions.items():
            if isinstance(distribution, CategoricalDistribution):
                axis = {"type": "categorical", "choices": list(distribution.choices)}
            else:
                kind = "int" if type(distribution).__name__.startswith("Int") else "float"
                axis = {"type": kind, "low": distribution.low, "high": distribution.high}  # type: ignore[attr-defined]
                axis["log"] = distribution.log  # type: ignore[attr-defined]
            found.setdefault(name, axis)
    return found

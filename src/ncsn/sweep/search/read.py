"""A finished or running study, read from Optuna's storage as plain values.

Nothing here writes to the storage. A trial that Optuna has queued but nobody has begun is only
counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from ncsn.base.trial_record import State, TrialRecord
from ncsn.sweep.search.database import Storage
from ncsn.sweep.search.study import load_study, tally

STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
}
NO_REASON = "its worker ended without a word"


@dataclass(frozen=True)
class StudyData:
    """A study.

    Attributes:
        name: full name.
        objectives: direction ("minimize" or "maximize") by metric key.
        axes: by name, as the study file has them: type, low, high, log, choices, points, when.
        attrs: what the driver noted: spec, size, model, commit, advised, present.
        trials: trials that were begun, by number.
        replaced: numbers of those whose point another trial took over.
        num_waiting: queued trials.
        num_retries: those of them whose point was begun before.
    """

    name: str
    objectives: dict[str, str]
    axes: dict[str, dict[str, Any]]
    attrs: dict[str, Any]
    trials: tuple[TrialRecord, ...]
    replaced: frozenset[int]
    num_waiting: int
    num_retries: int

    @property
    def spec(self) -> dict[str, Any]:
        """The study file, empty for a study that was made without one."""
        return dict(self.attrs.get("spec") or {})

    @property
    def size(self) -> dict[str, Any]:
        """The study's size: preset, fixed values, budget."""
        return dict(self.spec.get("sizes", {}).get(self.attrs.get("size"), {}))

    def running(self) -> list[TrialRecord]:
        """Returns the trials that have not ended."""
        return [trial for trial in self.trials if trial.state == "running"]

    def ended(self) -> list[TrialRecord]:
        """Returns the trials that have ended and count: no other one took their point over."""
        gone = {*self.replaced, *(trial.number for trial in self.running())}
        return [trial for trial in self.trials if trial.number not in gone]


def read_study(storage: Storage, name: str) -> StudyData:
    """Reads a study.

    Args:
        storage: address or storage of Optuna.
        name: full name of the study.

    Raises:
        UserError: the storage has no such study.
    """
    study = load_study(storage, name)
    trials, attrs = study.get_trials(deepcopy=False), dict(study.user_attrs)
    again, counted = _tried_again(trials), tally(trials)
    return StudyData(
        name=name,
        objectives=_objectives(study, attrs),
        axes=_axes(attrs, trials),
        attrs=attrs,
        trials=tuple(_record(t, again.get(t.number)) for t in trials if t.state in STATES),
        replaced=frozenset(trial.number for trial in counted.replaced),
        num_waiting=len(counted.queued) + len(counted.retries),
        num_retries=len(counted.retries),
    )


def _record(trial: FrozenTrial, tried_again_as: int | None) -> TrialRecord:
    state = STATES[trial.state]
    attrs = dict(trial.user_attrs)
    if state in ("pruned", "failed") and not attrs.get("reason"):
        again = f"; tried again as trial {tried_again_as}" if tried_again_as is not None else ""
        attrs["reason"] = ("the pruner ended it" if state == "pruned" else NO_REASON) + again
    for name, moment in (("started", trial.datetime_start), ("finished", trial.datetime_complete)):
        if not attrs.get(name) and moment is not None:
            attrs[name] = moment.astimezone().isoformat()
    return TrialRecord.from_attrs(
        trial.number,
        state,
        attrs,
        point=dict(trial.params),
        objectives=tuple(trial.values) if state == "complete" else None,
        feasible=all(value <= 0 for value in trial.constraints.values()),
    )


def _tried_again(trials: list[FrozenTrial]) -> dict[int, int]:
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

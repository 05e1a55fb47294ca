"""A study in the database: made, held to its file, its trials counted."""

import warnings
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from ncsn.base.errors import UserError, nearest
from ncsn.sweep.search.database import Storage
from ncsn.sweep.studies.plan import Plan

_RENAMED = {"seeds": "draws"}  # keys of studies that an earlier version made
_ADDED = {"trainings": 1, "fixed.train.seed": None}  # what it did not know, as it was


class Tally(NamedTuple):
    """The trials of a study that count: each point once, however often it was tried.

    Attributes:
        ended: complete, pruned or failed, and not tried again.
        running: started and not ended.
        retries: waiting to be tried again.
        queued: waiting for their first try.
        replaced: ended without a result; another trial took their point over.
    """

    ended: list[FrozenTrial]
    running: list[FrozenTrial]
    retries: list[FrozenTrial]
    queued: list[FrozenTrial]
    replaced: list[FrozenTrial]

    @property
    def started(self) -> int:
        """Number of points that have been begun."""
        return len(self.ended) + len(self.running) + len(self.retries)


def tally(trials: Sequence[FrozenTrial]) -> Tally:
    """Sorts all trials of a study, those that others replace aside."""
    gone = {number for trial in trials for number in trial.system_attrs.get("retry_history", [])}
    sorted_: dict[str, list[FrozenTrial]] = {name: [] for name in Tally._fields}
    for trial in trials:
        if trial.number in gone:
            sorted_["replaced"].append(trial)
        elif trial.state == TrialState.RUNNING:
            sorted_["running"].append(trial)
        elif trial.state != TrialState.WAITING:
            sorted_["ended"].append(trial)
        elif trial.system_attrs.get("retry_history"):
            sorted_["retries"].append(trial)
        else:
            sorted_["queued"].append(trial)
    return Tally(**sorted_)


def study_names(storage: Storage) -> list[str]:
    """Returns the full names of the studies that have been run."""
    return list(optuna.get_all_study_names(storage))


def load_study(storage: Storage, name: str) -> optuna.Study:
    """Returns a study that exists.

    Raises:
        UserError: it does not; the message names those that do.
    """
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        names = study_names(storage)
        hint = nearest(name, names)
        known = ", ".join(names) or "none"
        end = f"{known}.{hint}" if hint else known
        raise UserError(f"no study '{name}' has been run; there are {end}") from None


def opened_study(storage: RDBStorage, plan: Plan, source: Mapping[str, Any]) -> optuna.Study:
    """Returns the study of a plan, made when it is not there.

    Args:
        storage: the database.
        plan: the study's.
        source: `commit` and `dirty` of the code that trials run; another commit than that of
            earlier trials is warned of.

    Raises:
        UserError: it has trials under other values; the message names the first of them.
    """
    if plan.name not in study_names(storage):
        _make(storage, plan)
    study = load_study(storage, plan.name)
    if "started" not in study.user_attrs and not study.get_trials(deepcopy=False):
        _describe(study, plan)  # whoever made it may have died before it could
    attrs = study.user_attrs
    refuse_changes(attrs.get("deciding", {}), plan)
    before, now = attrs.get("commit", source["commit"]), source["commit"]
    if before != now:
        codes = f"earlier trials ran the code of {before[:12]}, these run {now[:12]}"
        print(f"warning: {codes}", flush=True)
    facts = {
        "spec": plan.spec.model_dump(mode="json"),
        "study": plan.study,
        "size": plan.size,
        "model": plan.model,
        "space": {name: axis.model_dump(mode="json") for name, axis in plan.space.items()},
        "budget": plan.budget.model_dump(mode="json"),
        "settings": dict(plan.settings),
        **source,
    }
    for key, value in facts.items():
        if attrs.get(key) != value:
            study.set_user_attr(key, value)
    return study


def set_aside(storage: RDBStorage, name: str) -> str | None:
    """Renames a study to `<name>.<n>` and returns that; None where there is no study."""
    names = study_names(storage)
    if name not in names:
        return None
    number = next(n for n in range(1, len(names) + 2) if f"{name}.{n}" not in names)
    old = f"{name}.{number}"
    optuna.copy_study(
        from_study_name=name, from_storage=storage, to_storage=storage, to_study_name=old
    )
    optuna.delete_study(study_name=name, storage=storage)
    print(f"the earlier trials are kept as the study '{old}'", flush=True)
    return old


def note_confirmed(study: optuna.Study, number: int, entry: Mapping[str, Any]) -> None:
    """Notes in the study, as `confirmed`, what fresh draws of a trial gave.

    Args:
        study: the study.
        number: of the trial.
        entry: `seeds`, `train_seeds`, `num_samples` and `values` by objective, one per draw; in
            place of `values` a `reason` when there are none.
    """
    known = study.user_attrs.get("confirmed", {})
    study.set_user_attr("confirmed", {**known, str(number): dict(entry)})


def refuse_changes(before: Mapping[str, Any], plan: Plan) -> None:
    """Refuses a plan under which earlier trials would be something else.

    Args:
        before: what decided the results of the study's trials, as `Plan.deciding` gives it.
        plan: of the trials to come.

    Raises:
        UserError: names the first key that differs.
    """
    old = {_RENAMED.get(key, key): value for key, value in before.items()}
    now, before = plan.deciding(), _ADDED | old
    for key in [*now, *(key for key in before if key not in now)]:
        if before.get(key) != now.get(key):
            raise UserError(
                f"studies/{plan.study}.yaml: {key} (value {now.get(key)!r}): the study "
                f"'{plan.name}' has trials with {before.get(key)!r}; restore it, or start anew "
                "with --fresh, which keeps the old trials under another name"
            )


def _make(storage: RDBStorage, plan: Plan) -> None:
    directions = list(plan.spec.objectives.values())
    optuna.create_study(storage=storage, study_name=plan.name, directions=directions)


def _describe(study: optuna.Study, plan: Plan) -> None:
    with _experimental():
        study.set_metric_names(list(plan.spec.objectives))
    study.set_user_attr("deciding", plan.deciding())
    study.set_user_attr("started", datetime.now(UTC).isoformat())


def _experimental() -> Any:
    """Silences Optuna's warning that a function may change."""
    category = optuna.exceptions.ExperimentalWarning
    return warnings.catch_warnings(action="ignore", category=category)

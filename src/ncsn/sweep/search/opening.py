"""A study in the database: made, checked against what it was, or set aside; its first points."""

import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from ncsn.base.errors import UserError
from ncsn.sweep.results.status import point_text
from ncsn.sweep.search.storage import load_study, tally
from ncsn.sweep.search.worker import Orders, next_grid_points
from ncsn.sweep.studies.plan import Plan

Say = Callable[[str], None]


def opened_study(
    storage: RDBStorage, plan: Plan, source: Mapping[str, Any], say: Say
) -> optuna.Study:
    """Returns the study of a plan, made when it is not there.

    Raises:
        UserError: it has trials under other values; the message names the first of them.
    """
    if plan.name not in optuna.get_all_study_names(storage):
        directions = list(plan.spec.objectives.values())
        study = optuna.create_study(storage=storage, study_name=plan.name, directions=directions)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(list(plan.spec.objectives))
        study.set_user_attr("deciding", plan.deciding())
        study.set_user_attr("started", datetime.now(UTC).isoformat())
    study = load_study(storage, plan.name)
    attrs = study.user_attrs
    _refuse_changes(attrs.get("deciding", {}), plan)
    if attrs.get("commit", source["commit"]) != source["commit"]:
        say(
            f"warning: earlier trials ran the code of {attrs['commit'][:12]}, "
            f"these run {source['commit'][:12]}"
        )
    facts = {
        "spec": plan.spec.model_dump(mode="json"),
        "study": plan.study,
        "size": plan.size,
        "model": plan.model,
        "space": {name: axis.model_dump(mode="json") for name, axis in plan.space.items()},
        "budget": plan.budget.model_dump(mode="json"),
        **source,
    }
    for key, value in facts.items():
        if attrs.get(key) != value:
            study.set_user_attr(key, value)
    return study


def _refuse_changes(before: Mapping[str, Any], plan: Plan) -> None:
    now = plan.deciding()
    for key in [*now, *(key for key in before if key not in now)]:
        if before.get(key) != now.get(key):
            raise UserError(
                f"studies/{plan.study}.yaml: {key} (value {now.get(key)!r}): the study "
                f"'{plan.name}' has trials with {before.get(key)!r}; restore it, or start anew "
                "with --fresh, which keeps the old trials under another name"
            )


def set_aside(storage: RDBStorage, name: str, say: Say) -> None:
    """Renames a study to `<name>.<n>`; nothing of it is lost."""
    names = optuna.get_all_study_names(storage)
    if name not in names:
        return
    number = next(n for n in range(1, len(names) + 2) if f"{name}.{n}" not in names)
    old = f"{name}.{number}"
    optuna.copy_study(
        from_study_name=name, from_storage=storage, to_storage=storage, to_study_name=old
    )
    optuna.delete_study(study_name=name, storage=storage)
    say(f"the earlier trials are kept as the study '{old}'")


def enqueue_first(study: optuna.Study, orders: Orders, say: Say) -> None:
    """Queues the advised point, that of params.yaml and those of `same_points`, each once."""
    from ncsn.sweep.search.start import advised_point, present_point  # the advisor imports torch

    plan = orders.plan
    points: dict[str, dict[str, Any] | None] = {"advised": None}
    try:
        facts = orders.laboratory.data_facts(plan.values({}))
        points["advised"] = advised_point(plan, facts)
    except UserError as error:
        say(f"no advised point: {error}")
    points["present"] = present_point(plan)
    queued: list[dict[str, Any]] = []
    for origin, point in points.items():
        if point is None:
            continue
        study.set_user_attr(origin, point)
        if point not in queued:
            study.enqueue_trial(point, user_attrs={"origin": origin})
            queued.append(point)
            say(f"{origin} point: {point_text(point)}")
    for point in _points_of_another(study, plan, say):
        if point not in queued:
            study.enqueue_trial(point, user_attrs={"origin": "sampler"})


def _points_of_another(study: optuna.Study, plan: Plan, say: Say) -> list[dict[str, Any]]:
    """Points at which the study of `same_points` has a result: their ranks can be compared."""
    if plan.spec.same_points is None:
        return []
    name = plan.name.replace(plan.study, plan.spec.same_points, 1)
    storage = study._storage
    if name not in optuna.get_all_study_names(storage):
        say(f"'{name}' has not been run; the sampler chooses all points")
        return []
    other = optuna.load_study(study_name=name, storage=storage)
    return [dict(t.params) for t in other.get_trials(states=(TrialState.COMPLETE,))]


def number_of_trials(study: optuna.Study, orders: Orders) -> int:
    """Returns when the study ends: by its budget, or with the last point of its grid."""
    if orders.plan.spec.sampler.name != "grid":
        return orders.trials
    now = tally(study.get_trials(deepcopy=False))
    points = now.started + len(now.queued) + len(next_grid_points(orders.plan, study))
    return min(orders.trials, points)

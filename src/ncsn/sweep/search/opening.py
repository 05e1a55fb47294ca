"""A study as `run` opens it and as a worker joins it; two hosts may do so at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage

from ncsn.base.errors import UserError
from ncsn.base.progress import notice
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import PARAMS_FILE
from ncsn.sweep.search.database import Storage
from ncsn.sweep.search.membership import Limits, forget_complaints, note_limits, study_lock
from ncsn.sweep.search.points import next_grid_points
from ncsn.sweep.search.retries import put_back
from ncsn.sweep.search.study import (
    load_study,
    opened_study,
    refuse_changes,
    set_aside,
    study_names,
    tally,
)
from ncsn.sweep.search.tracked import keep_runs
from ncsn.sweep.search.worker import Sweep
from ncsn.sweep.studies.plan import Plan, is_oracle_alone, made_plan
from ncsn.sweep.studies.study import checked_spec

_PREPARED = "has_first_points"  # attribute of a study


def open_study(sweep: Sweep, source: Mapping[str, Any], *, fresh: bool = False) -> optuna.Study:
    """Makes the study or goes on with it, and notes when it ends.

    Args:
        sweep: of whose limits the trials are cut to a grid's points.
        source: `commit` and `dirty` of the code that trials run.
        fresh: keep an existing study under another name and start anew.

    Returns:
        The study, with its first points in the queue: workers can join.

    Raises:
        UserError: it has trials under other values; or it shall start anew, and workers are at it.
    """
    plan = sweep.plan
    if ignored := plan.ignored_trainings():
        notice(ignored)
    storage = sweep.store.opened()
    with sweep.store.coordinator().lock(study_lock(plan.name)):
        kept = _kept(storage, sweep) if fresh else None
        study = prepared_study(storage, sweep, source)
        note_limits(study, reachable(sweep.limits, plan, study))
        forget_complaints(study)
    if kept is not None:  # MLflow may let one wait, and then nobody else
        keep_runs(sweep.track, plan.name, kept, sweep.store.root)
    return study


def _kept(storage: RDBStorage, sweep: Sweep) -> str | None:
    """Sets the study aside, unless a worker would lose its trial by that."""
    name, params = sweep.plan.name, sweep.store.params
    if name in study_names(storage):
        study = load_study(storage, name)
        put_back(study, params)
        if running := tally(study.get_trials(deepcopy=False)).running:
            told = f"{len(running)} of its trials are running"
            ways = f"end their workers; one that is dead counts as such after {params.grace_sec} s"
            raise UserError(f"--fresh: {name} is at work, {told}; {ways}")
    return set_aside(storage, name)


def prepared_study(storage: Any, sweep: Sweep, source: Mapping[str, Any]) -> optuna.Study:
    """Returns the study, checked against its file; a new one has its first points in the queue.

    One whose maker died between two of them gets the rest.
    """
    study = opened_study(storage, sweep.plan, source)
    now = tally(study.get_trials(deepcopy=False))
    if not (study.user_attrs.get(_PREPARED) or now.started):
        from ncsn.sweep.search.first_points import enqueue_first  # the advisor imports torch

        enqueue_first(study, sweep.plan, sweep.pipeline)
        study.set_user_attr(_PREPARED, True)
    return study


def reachable(limits: Limits, plan: Plan, study: optuna.Study) -> Limits:
    """Returns the limits, of which the trials end with the last point of a grid."""
    if plan.spec.sampler.name != "grid":
        return limits
    now = tally(study.get_trials(deepcopy=False))
    points = now.started + len(now.queued) + len(next_grid_points(plan, study))
    return limits._replace(trials=min(limits.trials, points))


def noted_study(storage: Storage, study: str, size: str, model: str) -> optuna.Study:
    """Returns a study that was opened.

    Args:
        storage: of the studies.
        study: name of its file, which need not be there.
        size: of the study.
        model: "network" or "oracle".

    Raises:
        UserError: it was not; the message names those that were.
    """
    found = load_study(storage, _full_name(storage, study, size, model))
    if "spec" not in found.user_attrs:
        rule = "was not opened by `sweep.py open` or `run`"
        raise UserError(f"{found.study_name}: {rule}, so no worker knows what to try")
    return found


def noted_plan(study: optuna.Study, source: Path) -> Plan:
    """Returns the plan of a study as it was opened.

    Args:
        study: the study.
        source: top folder of the code that trials run, whose params.yaml the study changes.

    Raises:
        UserError: it means something else with the presets of `source`.
    """
    attrs = study.user_attrs
    spec = checked_spec(attrs["spec"], f"{study.study_name} in the database")
    params, settings = read_yaml(source / PARAMS_FILE), attrs.get("settings", {})
    plan = made_plan(attrs["study"], spec, attrs["size"], attrs["model"], params, settings)
    refuse_changes(attrs.get("deciding", {}), plan)
    return plan


def refuse_other_commit(study: optuna.Study, commit: str, *, allow_dirty: bool) -> None:
    """Refuses a tree whose code is not what the study's trials run.

    Args:
        study: to be joined.
        commit: of the tree.
        allow_dirty: the user wants it as it lies.

    Raises:
        UserError: it is at another commit, or the study runs a tree that no commit tells.
    """
    own = study.user_attrs
    noted = str(own.get("commit", commit))
    if allow_dirty:
        return
    if own.get("dirty"):
        rule = "was opened with --allow-dirty: give it here, too, where the same files lie"
        raise UserError(f"{study.study_name}: {rule}")
    if noted != commit:
        ways = f"git checkout {noted[:12]}, or give --source URL of a repository that has it"
        rule = f"runs the code of commit {noted[:12]}, and this tree is at {commit[:12]}"
        raise UserError(f"{study.study_name}: {rule}; {ways}")


def _full_name(storage: Storage, study: str, size: str, model: str) -> str:
    name = f"{study}-{size}"
    oracle = f"{name}-oracle"
    if model == "oracle":
        return oracle
    names = study_names(storage)
    if name not in names and oracle in names:
        spec = load_study(storage, oracle).user_attrs.get("spec") or {}
        if is_oracle_alone(spec.get("sizes", {}).get(size, {})):
            return oracle
    return name

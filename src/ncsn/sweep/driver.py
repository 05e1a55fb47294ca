"""The driver: makes the study, starts workers, stands by them, and ends with them.

Database, study and the parent run in MLflow are there before the first worker, since none of
them can be made by two processes at once.
"""

import contextlib
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from ncsn.errors import UserError
from ncsn.sweep.plan import Plan
from ncsn.sweep.status import numbers, point_text, status_lines
from ncsn.sweep.storage import load_study, open_storage, tally
from ncsn.sweep.tracked import Tracked
from ncsn.sweep.worker import Orders, next_grid_points, work

Say = Callable[[str], None]
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_POLL_SEC = 0.1
_STOP_SEC = 20.0  # for workers to put their points back


@dataclass
class _Place:
    """A worker's process and the line on which it complains."""

    process: BaseProcess
    complaint: Connection
    deaths: int = 0


def run_study(
    orders: Orders, workers: int, source: Mapping[str, Any], say: Say, *, fresh: bool = False
) -> None:
    """Runs a study, or goes on with it, until its budget is used.

    Args:
        orders: what the workers get; `trials` is cut to the grid's points.
        workers: number of processes.
        source: `commit` and `dirty` of the code that trials run.
        say: gets lines for the user.
        fresh: keep an existing study under another name and start anew.

    Raises:
        UserError: the study has trials of another configuration, or its trials fail alike.
        KeyboardInterrupt: Ctrl-C; running trials are back in the queue.
    """
    storage = open_storage(orders.sweep, orders.root)
    plan = orders.plan
    if fresh:
        _set_aside(storage, plan.name, say)
    study = _opened(storage, plan, source, say)
    if not study.get_trials(deepcopy=False):
        _enqueue_first(study, orders, say)
    orders = replace(orders, trials=_number_of_trials(study, orders))
    tracked = Tracked.opened(orders.track, plan, orders.root)
    if tracked.run is not None:
        study.set_user_attr("mlflow_run_id", tracked.run.run_id)
        study.set_user_attr("mlflow_experiment_id", tracked.run.store.experiment_id)
    done = len(tally(study.get_trials(deepcopy=False)).ended)
    say(f"{plan.name}: {plan.spec.purpose}")
    say(f"{done} of {orders.trials} trials ended before; {workers} workers")
    ended = False
    try:
        _supervise(orders, workers, say)
        ended = True
    finally:
        _report(study, orders, tracked, say, interrupted=not ended)


def _report(
    study: optuna.Study, orders: Orders, tracked: Tracked, say: Say, *, interrupted: bool
) -> None:
    for line in status_lines(study, orders.trials):
        say(line)
    tracked.close(numbers(study), interrupted=interrupted)
    name, direction = next(iter(orders.plan.spec.objectives.items()))
    links = tracked.links(name, direction == "maximize")
    for line in ["pages of `python pipeline/ui.py`:", *links] if links else []:
        say(line)


def _opened(storage: RDBStorage, plan: Plan, source: Mapping[str, Any], say: Say) -> optuna.Study:
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


def _set_aside(storage: RDBStorage, name: str, say: Say) -> None:
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


def _enqueue_first(study: optuna.Study, orders: Orders, say: Say) -> None:
    """Queues the advised point and that of params.yaml, each once."""
    from ncsn.sweep.start import advised_point, present_point  # the advisor imports torch

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


def _number_of_trials(study: optuna.Study, orders: Orders) -> int:
    if orders.plan.spec.sampler.name != "grid":
        return orders.trials
    now = tally(study.get_trials(deepcopy=False))
    points = now.started + len(now.queued) + len(next_grid_points(orders.plan, study))
    return min(orders.trials, points)


def _supervise(orders: Orders, workers: int, say: Say) -> None:
    with _one_thread_each(workers):
        places = [_started(orders, number) for number in range(workers)]
    try:
        while any(place.process.exitcode != 0 for place in places):
            time.sleep(_POLL_SEC)
            for number, place in enumerate(places):
                _look_after(orders, number, place, workers, say)
    except BaseException:
        _end(places)
        raise


def _look_after(orders: Orders, number: int, place: _Place, workers: int, say: Say) -> None:
    """Starts a worker that was killed once more; ends the study when one complains."""
    if place.process.is_alive() or place.process.exitcode == 0:
        return
    with contextlib.suppress(EOFError):  # it died without a word
        raise UserError(f"{orders.plan.name}: {place.complaint.recv()}")
    place.deaths += 1
    ending = f"worker {number} ended with status {place.process.exitcode}"
    if place.deaths > orders.sweep.max_retry:
        raise UserError(f"{orders.plan.name}: {ending}, {place.deaths} times")
    say(f"warning: {ending}; it is started again, its trial too")
    with _one_thread_each(workers):
        new = _started(orders, number)
    place.process, place.complaint = new.process, new.complaint


def _started(orders: Orders, number: int) -> _Place:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(orders, number, os.getpid(), there))
    process.start()
    there.close()
    return _Place(process, here)


def _end(places: list[_Place]) -> None:
    """SIGTERM puts a worker's point back into the queue; a second Ctrl-C does not wait for it."""
    for place in places:
        place.process.terminate()
    deadline = time.monotonic() + _STOP_SEC
    with contextlib.suppress(KeyboardInterrupt):
        for place in places:
            place.process.join(max(0.0, deadline - time.monotonic()))
    for place in places:
        place.process.kill()
        place.process.join()


@contextlib.contextmanager
def _one_thread_each(workers: int) -> Iterator[None]:
    """Several workers share the cores; what the user has set stands."""
    added = [name for name in _THREADS if workers > 1 and name not in os.environ]
    os.environ.update(dict.fromkeys(added, "1"))
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]

"""The driver: makes the study, starts workers, stands by them, and ends with them.

Database, study and the parent run in MLflow are there before the first worker, since none of
them can be made by two processes at once.
"""

import contextlib
import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

import optuna

from ncsn.base.errors import UserError
from ncsn.sweep.results.status import numbers, status_lines
from ncsn.sweep.search.opening import (
    Say,
    enqueue_first,
    number_of_trials,
    opened_study,
    set_aside,
)
from ncsn.sweep.search.storage import open_storage, tally
from ncsn.sweep.search.tracked import Tracked
from ncsn.sweep.search.worker import Orders, work

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
        set_aside(storage, plan.name, say)
    study = opened_study(storage, plan, source, say)
    if not study.get_trials(deepcopy=False):
        enqueue_first(study, orders, say)
    orders = replace(orders, trials=number_of_trials(study, orders))
    tracked = Tracked.opened(orders.track, plan, orders.root)
    if tracked.run is not None:
        study.set_user_attr("mlflow_run_id", tracked.run.run_id)
        study.set_user_attr("mlflow_experiment_id", tracked.run.store.experiment_id)
    now = tally(study.get_trials(deepcopy=False))
    say(f"{plan.name}: {plan.spec.purpose}")
    say(f"{len(now.ended)} of {orders.trials} trials ended before; {workers} workers")
    is_used = len(now.ended) >= orders.trials and not (now.running or now.retries)
    ended = False
    try:
        _supervise(orders, 0 if is_used else workers, say)
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

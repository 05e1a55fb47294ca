"""The driver: makes the study, starts workers, stands by them, and ends with them.

Database, study and the parent run in MLflow are there before the first worker, since none of
them can be made by two processes at once.
"""

import contextlib
import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

import optuna
from optuna.storages import RDBStorage

from ncsn.base.errors import UserError
from ncsn.base.progress import notice
from ncsn.sweep.results.status import numbers, status_lines
from ncsn.sweep.search.confirm import confirm_best
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.points import next_grid_points
from ncsn.sweep.search.read import read_study
from ncsn.sweep.search.study import opened_study, set_aside, tally
from ncsn.sweep.search.tracked import TrackedStudy
from ncsn.sweep.search.worker import Limits, Sweep, work
from ncsn.sweep.studies.plan import Plan

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_POLL_SEC = 0.1
_STOP_SEC = 20.0  # for workers to put their points back


def run_study(
    sweep: Sweep, workers: int, source: Mapping[str, Any], *, fresh: bool = False
) -> None:
    """Runs a study, or goes on with it, until its budget is used; prints how it goes.

    When the search has ended, its best points are drawn again as the budget says.

    Args:
        sweep: what the workers get; its number of trials is cut to the grid's points.
        workers: number of processes.
        source: `commit` and `dirty` of the code that trials run.
        fresh: keep an existing study under another name and start anew.

    Raises:
        UserError: the study has trials of another configuration, or its trials fail alike.
        KeyboardInterrupt: Ctrl-C; running trials are back in the queue.
    """
    plan, store = sweep.plan, sweep.store
    if ignored := plan.ignored_trainings():
        notice(ignored)
    storage = open_storage(store.params, store.root)
    if fresh:
        set_aside(storage, plan.name)
    study = prepared_study(storage, sweep, source)
    limits = reachable(sweep.limits, plan, study)
    tracked = TrackedStudy.opened(sweep.track, plan, store.root)
    for name, value in tracked.ids().items():
        study.set_user_attr(name, value)
    now = tally(study.get_trials(deepcopy=False))
    before = f"{len(now.ended)} of {limits.trials} trials ended before"
    print(f"{plan.name}: {plan.spec.purpose}\n{before}; {workers} workers", flush=True)
    is_used = len(now.ended) >= limits.trials and not (now.running or now.retries)
    interrupted = True
    try:
        _Workers(replace(sweep, limits=limits)).run(0 if is_used else workers)
        points, draws = plan.budget.num_confirmed, plan.budget.confirm_draws
        confirm_best(storage, plan, sweep.pipeline, points, draws)
        interrupted = False
    finally:
        _report(storage, plan, limits, tracked, interrupted=interrupted)


def prepared_study(storage: RDBStorage, sweep: Sweep, source: Mapping[str, Any]) -> optuna.Study:
    """Returns the study, checked against its file; a new one has its first points in the queue."""
    study = opened_study(storage, sweep.plan, source)
    if not study.get_trials(deepcopy=False):
        from ncsn.sweep.search.first_points import enqueue_first  # the advisor imports torch

        enqueue_first(study, sweep.plan, sweep.pipeline)
    return study


def reachable(limits: Limits, plan: Plan, study: optuna.Study) -> Limits:
    """Returns the limits, of which the trials end with the last point of a grid."""
    if plan.spec.sampler.name != "grid":
        return limits
    now = tally(study.get_trials(deepcopy=False))
    points = now.started + len(now.queued) + len(next_grid_points(plan, study))
    return limits._replace(trials=min(limits.trials, points))


def _report(
    storage: RDBStorage, plan: Plan, limits: Limits, tracked: TrackedStudy, *, interrupted: bool
) -> None:
    data = read_study(storage, plan.name)
    print("\n".join(status_lines(data, limits.trials)))
    tracked.close(numbers(data), interrupted=interrupted)
    name, direction = next(iter(plan.spec.objectives.items()))
    links = tracked.links(name, largest=direction == "maximize")
    if links:
        print("\n".join(["pages of `python pipeline/ui.py`:", *links]), flush=True)


class _Process(NamedTuple):
    """A worker's process, and the pipe on which it complains."""

    process: BaseProcess
    complaint: Connection


class _Workers:
    """The workers of a study: started, started again when they are killed, ended together."""

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._processes: list[_Process] = []
        self._deaths: list[int] = []

    def run(self, number: int) -> None:
        """Stands by `number` workers until all have ended well."""
        self._deaths = [0] * number
        try:
            with _one_thread_each(number):
                self._processes = [self._started(worker) for worker in range(number)]
            while any(process.exitcode != 0 for process, _ in self._processes):
                time.sleep(_POLL_SEC)
                for worker in range(number):
                    self._look_after(worker)
        except BaseException:
            self._end()
            raise

    def _look_after(self, worker: int) -> None:
        """Starts a worker that was killed once more; ends the study when one complains."""
        process, complaint = self._processes[worker]
        if process.is_alive() or process.exitcode == 0:
            return
        name, most = self._sweep.plan.name, self._sweep.store.params.max_retry
        with contextlib.suppress(EOFError):  # it died without a word
            raise UserError(f"{name}: {complaint.recv()}")
        self._deaths[worker] += 1
        ending = f"worker {worker} ended with status {process.exitcode}"
        if self._deaths[worker] > most:
            raise UserError(f"{name}: {ending}, {self._deaths[worker]} times")
        print(f"warning: {ending}; it is started again, its trial too", flush=True)
        with _one_thread_each(len(self._processes)):
            self._processes[worker] = self._started(worker)

    def _started(self, worker: int) -> _Process:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(self._sweep, worker, os.getpid(), there))
        process.start()
        there.close()
        return _Process(process, here)

    def _end(self) -> None:
        """SIGTERM puts a worker's point back into the queue; a second Ctrl-C does not wait."""
        for process, _ in self._processes:
            process.terminate()
        deadline = time.monotonic() + _STOP_SEC
        with contextlib.suppress(KeyboardInterrupt):
            for process, _ in self._processes:
                process.join(max(0.0, deadline - time.monotonic()))
        for process, _ in self._processes:
            process.kill()
            process.join()


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

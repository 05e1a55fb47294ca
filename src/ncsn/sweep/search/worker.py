"""A worker: a process that takes trials of a study until the budget is used.

Points are given out under a lock, so their number is exact and no grid point is given twice.
SIGTERM ends the running trial, puts its point back into the queue and ends the worker; the death
of the driver, however it comes, kills the worker at once.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from filelock import FileLock

from ncsn.base.entry import die_with_parent, masked_traceback
from ncsn.base.errors import UserError
from ncsn.base.trial_record import TrialRecord
from ncsn.config.params import SweepParams, TrackParams
from ncsn.sweep.results.status import trial_line
from ncsn.sweep.search.address import storage_faults, storage_url
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.pictures import ARTIFACTS
from ncsn.sweep.search.points import built_pruner, built_sampler, next_grid_points
from ncsn.sweep.search.study import Tally, load_study, retry, retry_dead, tally
from ncsn.sweep.search.tracked import TrackedStudy
from ncsn.sweep.search.trial import INTERRUPTED, Interrupted, Objective, TrialFailed
from ncsn.sweep.studies.plan import Plan
from ncsn.sweep.trials.outcome import Outcome
from ncsn.sweep.trials.pipeline import OnRow, Pipeline, Reproduce

REPEATED = 3  # a worker whose first trials all fail for one reason stops the study
_POLL_SEC = 1.0


class Store(NamedTuple):
    """Where a study is kept.

    Attributes:
        params: section `sweep` of params.yaml.
        root: the project's top folder, from which a relative database is taken.
        lock: the file that guards the giving out of points.
    """

    params: SweepParams
    root: Path
    lock: Path


class Limits(NamedTuple):
    """When a study ends: after so many trials; no trial starts after `deadline`, a Unix time."""

    trials: int
    deadline: float


@dataclass(frozen=True)
class Sweep:
    """A study as it is run: all that a driver hands to its workers.

    Attributes:
        plan: what is tried.
        pipeline: what runs a trial.
        store: where the study is kept.
        limits: when it ends.
        track: section `track` of params.yaml; None leaves MLflow alone.
    """

    plan: Plan
    pipeline: Pipeline
    store: Store
    limits: Limits
    track: TrackParams | None


class Stop:
    """A request to stop, by SIGTERM: it interrupts a trial; between trials it is looked at."""

    def __init__(self) -> None:
        self.requested = self.in_trial = False

    def on_signal(self, number: int, frame: Any) -> None:
        """Handles SIGTERM."""
        self.requested = True
        if self.in_trial:
            self.in_trial = False
            raise Interrupted

    def interrupting(self, reproduce: Reproduce) -> Reproduce:
        """Returns `reproduce` such that a request interrupts it."""

        def interruptible(values: Mapping[str, Any], on_row: OnRow | None) -> Outcome:
            self.in_trial = True
            try:
                if self.requested:
                    raise Interrupted
                return reproduce(values, on_row)
            finally:
                self.in_trial = False

        return interruptible


def work(sweep: Sweep, worker: int, parent: int, complaint: Connection) -> None:
    """Takes trials until the study ends; the body of a worker's process.

    Args:
        sweep: the driver's.
        worker: number of this worker.
        parent: process id of the driver.
        complaint: gets the reason when the study must stop; the exit status is then 1.
    """
    die_with_parent(parent)
    os.setpgid(0, 0)  # Ctrl-C is for the driver
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = Stop()
    signal.signal(signal.SIGTERM, stop.on_signal)
    try:
        with storage_faults(storage_url(sweep.store.params)):
            reason = take_trials(sweep, worker, stop)
    except Exception as error:
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, UserError):  # a fault of ours keeps its traceback
            masked_traceback(type(error), error, error.__traceback__)
    if reason is not None:
        complaint.send(reason)
        sys.exit(1)


def take_trials(sweep: Sweep, worker: int, stop: Stop) -> str | None:
    """Takes trials until none is left; returns why the study must stop, None when it need not."""
    plan, store = sweep.plan, sweep.store
    study, lock = _opened_study(plan, store, worker), FileLock(store.lock)
    tracked = TrackedStudy.opened(sweep.track, plan, store.root)
    reproduce = stop.interrupting(sweep.pipeline.opened(worker))
    ended: list[TrialRecord] = []

    def on_record(record: TrialRecord) -> str | None:
        if record.state != "running":
            ended.append(record)
            print(trial_line(record, plan.spec.objectives), flush=True)
        return tracked.publish(record)

    objective = Objective(plan, worker, reproduce, lock.release, on_record, store.root / ARTIFACTS)
    while not stop.requested:
        with lock:
            retry_dead(study, store.params.grace_sec)
            now = tally(study.get_trials(deepcopy=False))
            taken = _is_point_left(study, plan, sweep.limits, now)
            if taken:  # gives the lock back as soon as the point is known
                study.optimize(objective, n_trials=1, catch=(TrialFailed,))
            elif not now.running:
                return None
        if not taken:
            time.sleep(_POLL_SEC)  # a running trial of a worker that dies comes back
        elif ended and ended[-1].reason == INTERRUPTED:
            retry(study, study.trials[ended[-1].number])
        elif _is_hopeless(ended):
            return f"the first {REPEATED} trials of a worker failed alike: {ended[0].reason}"
    return None


def _opened_study(plan: Plan, store: Store, worker: int) -> optuna.Study:
    study = load_study(open_storage(store.params, store.root), plan.name)
    num_trials = len(study.get_trials(deepcopy=False))
    study.sampler = built_sampler(plan.spec.sampler, worker, num_trials)
    study.pruner = built_pruner(plan.spec.pruner)
    return study


def _is_point_left(study: optuna.Study, plan: Plan, limits: Limits, now: Tally) -> bool:
    """Whether a trial may start; the next point of a grid is then in the queue."""
    if time.time() >= limits.deadline:
        return False
    if now.retries:
        return True
    if now.started >= limits.trials:
        return False
    if now.queued or plan.spec.sampler.name != "grid":
        return True
    points = next_grid_points(plan, study)
    if points:
        study.enqueue_trial(points[0], user_attrs={"origin": "sampler"})
    return bool(points)


def _is_hopeless(ended: list[TrialRecord]) -> bool:
    first = ended[:REPEATED]
    return (
        len(ended) == REPEATED
        and all(record.state == "failed" for record in first)
        and len({record.reason for record in first}) == 1
    )

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
from typing import TYPE_CHECKING, Any, Protocol

import optuna
from filelock import FileLock
from optuna.storages import RDBStorage

from ncsn.base.entry import die_with_parent, masked_traceback
from ncsn.base.errors import UserError
from ncsn.base.trial_record import TrialRecord
from ncsn.config.params import SweepParams, TrackParams
from ncsn.sweep.results.status import trial_line
from ncsn.sweep.search.database import storage_faults
from ncsn.sweep.search.pruning import OnRow, built_pruner, built_sampler
from ncsn.sweep.search.storage import (
    Tally,
    load_study,
    open_storage,
    retry,
    retry_dead,
    storage_url,
    tally,
)
from ncsn.sweep.search.tracked import Tracked
from ncsn.sweep.search.trial import INTERRUPTED, Interrupted, Objective, Reproduce, TrialFailed
from ncsn.sweep.studies.plan import Plan, grid_points

if TYPE_CHECKING:  # it imports torch, which no worker needs
    from ncsn.config.advice import DataFacts

REPEATED = 3  # a worker whose first trials all fail for one reason stops the study
_POLL_SEC = 1.0


class Laboratory(Protocol):
    """Where trials are done. It is sent to other processes."""

    def opened(self, worker: int) -> Reproduce:
        """Makes the place of one worker ready, in its own process."""

    def data_facts(self, values: Mapping[str, Any]) -> "DataFacts":
        """Returns what the advisor needs to know of the data; UserError where they lack."""


@dataclass(frozen=True)
class Orders:
    """What a driver tells its workers.

    Attributes:
        plan: the study.
        sweep: section `sweep` of params.yaml.
        track: section `track`; None leaves MLflow alone.
        root: the project's top folder.
        laboratory: where trials are done.
        lock: the file that guards the giving out of points.
        trials: of the study, when it ends.
        deadline: seconds since the epoch, when no trial starts any more.
    """

    plan: Plan
    sweep: SweepParams
    track: TrackParams | None
    root: Path
    laboratory: Laboratory
    lock: Path
    trials: int
    deadline: float


class Stop:
    """The wish to end; inside a trial it interrupts, elsewhere it is looked at."""

    def __init__(self) -> None:
        self.asked = self.in_trial = False

    def on_signal(self, number: int, frame: Any) -> None:
        """Handles SIGTERM."""
        self.asked = True
        if self.in_trial:
            self.in_trial = False
            raise Interrupted

    def around(self, reproduce: Reproduce) -> Reproduce:
        """Returns `reproduce`, interrupted by the wish."""

        def interruptible(values: Mapping[str, Any], on_row: OnRow | None) -> Any:
            self.in_trial = True
            try:
                if self.asked:
                    raise Interrupted
                return reproduce(values, on_row)
            finally:
                self.in_trial = False

        return interruptible


def work(orders: Orders, worker: int, parent: int, complaint: Connection) -> None:
    """Takes trials until the study ends; the body of a worker's process.

    Args:
        orders: the driver's.
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
        with storage_faults(storage_url(orders.sweep)):
            reason = take_trials(orders, worker, stop)
    except Exception as error:
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        if not isinstance(error, UserError):  # a fault of ours keeps its traceback
            masked_traceback(type(error), error, error.__traceback__)
    if reason is not None:
        complaint.send(reason)
        sys.exit(1)


def take_trials(orders: Orders, worker: int, stop: Stop) -> str | None:
    """Takes trials until none is left; returns why the study must stop, None when it need not."""
    study = _opened_study(orders, worker)
    lock, tracked = FileLock(orders.lock), Tracked.opened(orders.track, orders.plan, orders.root)
    reproduce = stop.around(orders.laboratory.opened(worker))
    ended: list[TrialRecord] = []

    def on_record(record: TrialRecord, point: Mapping[str, Any]) -> str | None:
        if record.state != "running":
            ended.append(record)
            print(trial_line(record, point, orders.plan.spec.objectives), flush=True)
        return tracked.publish(record)

    objective = Objective(orders.plan, worker, reproduce, lock.release, on_record)
    while not stop.asked:
        with lock:
            retry_dead(study, orders.sweep.grace_sec)
            now = tally(study.get_trials(deepcopy=False))
            taken = _is_point_left(study, orders, now)
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


def _opened_study(orders: Orders, worker: int) -> optuna.Study:
    storage: RDBStorage = open_storage(orders.sweep, orders.root)
    study = load_study(storage, orders.plan.name)
    spec = orders.plan.spec
    study.sampler = built_sampler(spec.sampler, worker, len(study.get_trials(deepcopy=False)))
    study.pruner = built_pruner(spec.pruner)
    return study


def _is_point_left(study: optuna.Study, orders: Orders, now: Tally) -> bool:
    """Whether a trial may start; the next point of a grid is then in the queue."""
    if time.time() >= orders.deadline:
        return False
    if now.retries:
        return True
    if now.started >= orders.trials:
        return False
    if now.queued or orders.plan.spec.sampler.name != "grid":
        return True
    points = next_grid_points(orders.plan, study)
    if points:
        study.enqueue_trial(points[0], user_attrs={"origin": "sampler"})
    return bool(points)


def next_grid_points(plan: Plan, study: optuna.Study) -> list[dict[str, Any]]:
    """Returns the points of the grid that no trial of the study has had."""
    trials = study.get_trials(deepcopy=False)
    had = [trial.system_attrs.get("fixed_params", trial.params) for trial in trials]
    return [point for point in grid_points(plan) if point not in had]


def _is_hopeless(ended: list[TrialRecord]) -> bool:
    first = ended[:REPEATED]
    return (
        len(ended) == REPEATED
        and all(record.state == "failed" for record in first)
        and len({record.reason for record in first}) == 1
    )

"""A worker: a process that takes trials of a study until the budget is used.

It needs nobody beside the database. Points are given out under the study's lock, so their number
is exact and no grid point is given twice, however many hosts there are. SIGTERM and Ctrl-C end the
running trial, put its point back into the queue and end the worker. So does a full disk; a
database that does not answer is waited for.
"""

import contextlib
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.storages import RDBStorage

from ncsn.base.errors import UserError
from ncsn.base.trial_record import TrialRecord
from ncsn.config.params import SweepParams, TrackParams
from ncsn.sweep.results.status import trial_line
from ncsn.sweep.search.address import DatabaseLost, storage_faults, storage_url
from ncsn.sweep.search.coordinator import Coordinator, Lock, open_coordinator
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.membership import (
    Limits,
    Member,
    joined,
    note_complaint,
    noted_limits,
    study_lock,
)
from ncsn.sweep.search.outage import await_database
from ncsn.sweep.search.pictures import ARTIFACTS
from ncsn.sweep.search.points import built_pruner, built_sampler, is_point_left
from ncsn.sweep.search.retries import give_back, put_back, retry_line
from ncsn.sweep.search.study import Tally, load_study, tally
from ncsn.sweep.search.tracked import TrackedStudy
from ncsn.sweep.search.trial import Adrift, Interrupted, Objective, TrialFailed
from ncsn.sweep.studies.plan import Plan
from ncsn.sweep.trials.outcome import NoRoom, Outcome
from ncsn.sweep.trials.pipeline import OnRow, Pipeline, Reproduce

REPEATED = 3  # a worker whose first trials all fail for one reason stops the study
_POLL_SEC = 1.0


class Store(NamedTuple):
    """Where a study is kept.

    Attributes:
        params: section `sweep` of params.yaml.
        root: the project's top folder, from which a relative database is taken.
    """

    params: SweepParams
    root: Path

    def opened(self) -> RDBStorage:
        """Returns the database, made when it is not there."""
        return open_storage(self.params, self.root)

    def coordinator(self) -> Coordinator:
        """Returns the locks that all workers of the database share."""
        return open_coordinator(storage_url(self.params), self.root)


@dataclass(frozen=True)
class Sweep:
    """A study as it is run.

    Attributes:
        plan: what is tried.
        pipeline: what runs a trial.
        store: where the study is kept.
        limits: when it ends; what the database notes of that wins.
        track: section `track` of params.yaml; None leaves MLflow alone.
    """

    plan: Plan
    pipeline: Pipeline
    store: Store
    limits: Limits
    track: TrackParams | None


class Stop:
    """A request to stop, by a signal: it interrupts a trial; between trials it is looked at."""

    def __init__(self) -> None:
        self.requested = self.in_trial = False

    def on_signal(self, number: int, frame: Any) -> None:
        """Handles SIGTERM and Ctrl-C."""
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


def work(sweep: Sweep) -> None:
    """Takes trials until the study ends; all that a worker's process does.

    Raises:
        UserError: the study must stop; the database knows why, too.
        KeyboardInterrupt: the worker was asked to stop, and has put its trial back.
    """
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.on_signal)
    with storage_faults(storage_url(sweep.store.params)):
        take_trials(sweep, stop)
    if stop.requested:
        raise KeyboardInterrupt


def take_trials(sweep: Sweep, stop: Stop) -> None:
    """Takes trials until none is left or `stop` is requested; errors as `work`."""
    study = load_study(sweep.store.opened(), sweep.plan.name)
    coordinator = sweep.store.coordinator()
    with coordinator.lock(study_lock(study.study_name)):
        member = joined(study)
    try:
        _Worker(sweep, study, coordinator, member).run(stop)
    except Exception as error:
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        with contextlib.suppress(Exception), coordinator.lock(study_lock(study.study_name)):
            note_complaint(study, member.name, reason)
        raise


class _Worker:
    """A member of a study at work."""

    def __init__(
        self, sweep: Sweep, study: optuna.Study, coordinator: Coordinator, member: Member
    ) -> None:
        self._sweep, self._study, self._member = sweep, study, member
        self._coordinator, self._url = coordinator, storage_url(sweep.store.params)
        self._tracked = TrackedStudy.opened(sweep.track, sweep.plan, sweep.store)
        self._ended: list[TrialRecord] = []
        num_trials = len(study.get_trials(deepcopy=False))
        study.sampler = built_sampler(sweep.plan.spec.sampler, member.number, num_trials)
        study.pruner = built_pruner(sweep.plan.spec.pruner)

    def run(self, stop: Stop) -> None:
        reproduce = stop.interrupting(self._sweep.pipeline.opened(0))
        is_over = False
        while not (is_over or stop.requested):
            try:
                with storage_faults(self._url):
                    is_taken, is_over = self._trial(reproduce)
            except (DatabaseLost, Adrift) as error:
                self._wait(error, stop)
                continue
            except NoRoom:
                self._put_back()
                raise
            if not (is_taken or is_over):
                time.sleep(_POLL_SEC)  # a running trial of a worker that dies comes back
        if stop.requested:
            self._put_back()

    def _wait(self, error: DatabaseLost | Adrift, stop: Stop) -> None:
        """Until the database answers; the trial is then put back, unless another worker did."""

        def probe() -> None:
            with self._lock():
                if isinstance(error, Adrift):
                    give_back(self._study, error.number)
                self._study.get_trials(deepcopy=False)

        heartbeat_sec = self._sweep.store.params.heartbeat_sec
        await_database(self._url, error, probe, lambda: stop.requested, heartbeat_sec)

    def _put_back(self) -> None:
        with self._lock():
            put_back(self._study, self._sweep.store.params)

    def _lock(self) -> Lock:
        return self._coordinator.lock(study_lock(self._study.study_name))

    def _trial(self, reproduce: Reproduce) -> tuple[bool, bool]:
        """Runs the next trial; returns whether there was one, and whether there will be none."""
        study, sweep = self._study, self._sweep
        lock = self._lock()
        with lock:
            for trial in put_back(study, sweep.store.params):
                print(retry_line(trial), flush=True)
            now = tally(study.get_trials(deepcopy=False))
            _refuse_hopeless(self._ended, now)
            limits = noted_limits(study.user_attrs) or sweep.limits
            if not is_point_left(study, sweep.plan, limits, now):
                return False, not now.running
            objective = Objective(
                plan=sweep.plan,
                worker=self._member.name,
                reproduce=reproduce,
                on_point=lock.release,  # others need not wait for the trial's end
                on_record=self._noted,
                artifacts=sweep.store.root / ARTIFACTS,
            )
            study.optimize(objective, n_trials=1, catch=(TrialFailed,))
        return True, False

    def _noted(self, record: TrialRecord) -> str | None:
        if record.state != "running":
            self._ended.append(record)
            print(trial_line(record, self._sweep.plan.spec.objectives), flush=True)
        return self._tracked.publish(record)


def _refuse_hopeless(ended: list[TrialRecord], now: Tally) -> None:
    """Ends the study for what is wrong with all of it; a point tried again says nothing."""
    replaced = {trial.number for trial in now.replaced}
    own = [record for record in ended if record.number not in replaced]
    is_alike = len({record.reason for record in own}) == 1
    if len(own) == REPEATED and is_alike and all(record.state == "failed" for record in own):
        reason = f"the first {REPEATED} trials of a worker failed alike"
        raise UserError(f"{reason}: {own[0].reason}")

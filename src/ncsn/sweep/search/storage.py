"""The database of studies: opened for many writers, trials counted, dead ones tried again.

SQLite gets a write-ahead log and leaves syncing to the operating system's own pace: a commit then
takes a fraction of a millisecond, and a power cut can lose the last trials but not the file.
"""

import os
import sqlite3
import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.storages._rdb.models import TrialHeartbeatModel
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.orm import Session

from ncsn.base.addresses import STORAGE
from ncsn.base.errors import UserError
from ncsn.config.params import SweepParams
from ncsn.sweep.search.database import (
    refuse_foreign_file,
    sqlite_path,
    storage_faults,
    version_complaint,
)

_BUSY_SEC = 60  # a writer waits so long for its turn


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


def storage_url(params: SweepParams) -> str:
    """Returns the database's URL, that of the environment first.

    It may hold a password: it is shown through `masked` alone.
    """
    return os.environ.get(STORAGE) or params.storage


def open_storage(params: SweepParams, root: Path) -> RDBStorage:
    """Opens the database, and makes it when it is not there; a driver does so before its workers.

    Args:
        params: section `sweep` of params.yaml.
        root: the project's top folder.

    Raises:
        UserError: the database cannot be opened, or is not one of this Optuna.
    """
    url = storage_url(params)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings(), storage_faults(url):
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        path, own = sqlite_path(url, root), {}
        if path is not None:
            refuse_foreign_file(url, path)
            own = {"creator": partial(_connected, path)}  # in a URL, '?' would end the path
        try:
            return RDBStorage(
                url,
                engine_kwargs=own,
                heartbeat_interval=params.heartbeat_sec,
                grace_period=params.grace_sec,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(params.max_retry),
            )
        except RuntimeError as error:
            raise version_complaint(url, str(error)) from None


def load_study(storage: RDBStorage, name: str) -> optuna.Study:
    """Returns a study that exists.

    Raises:
        UserError: it does not; the message names those that do.
    """
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        known = ", ".join(optuna.get_all_study_names(storage)) or "none"
        raise UserError(f"no study '{name}' has been run; there are {known}") from None


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


def retry(study: optuna.Study, trial: FrozenTrial) -> None:
    """Puts the trial's point into the queue again, as a trial that replaces it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        RetryHeartbeatStaleTrialCallback()(study, trial)


def retry_dead(study: optuna.Study, grace_sec: int) -> None:
    """Ends the trials of workers that are dead, and puts their points into the queue again."""
    storage: Any = study._storage
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        fail_stale_trials(study)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_older(trial, grace_sec) and not _has_heartbeat(storage, trial._trial_id):
            study.tell(trial.number, state=TrialState.FAIL)  # died before its first heartbeat
            retry(study, study._storage.get_trial(trial._trial_id))


def _is_older(trial: FrozenTrial, seconds: int) -> bool:
    started = trial.datetime_start
    return started is not None and datetime.now(started.tzinfo) - started > timedelta(
        seconds=seconds
    )


def _has_heartbeat(storage: Any, trial_id: int) -> bool:
    engine = getattr(storage, "_backend", storage).engine
    with Session(engine) as session:
        return TrialHeartbeatModel.where_trial_id(trial_id, session) is not None


def _connected(path: Path) -> sqlite3.Connection:
    """A connection for one of many writers; SQLAlchemy hands it from thread to thread."""
    connection = sqlite3.connect(path, timeout=_BUSY_SEC, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection

"""The wait for a database that does not answer."""

import time
from collections.abc import Callable

from optuna.exceptions import UpdateFinishedTrialError

from ncsn.base.progress import notice
from ncsn.sweep.search.address import DatabaseLost, database_lost, storage_faults
from ncsn.sweep.search.trial import Adrift

PATIENCE_SEC = 300.0  # a restart of a server, or of its host
_POLL_SEC = 1.0


def await_database(
    url: str,
    error: DatabaseLost | Adrift,
    probe: Callable[[], None],
    is_stopped: Callable[[], bool],
    heartbeat_sec: int,
) -> None:
    """Returns when the database answers again, or when the worker is asked to stop.

    Args:
        url: its address.
        error: what told that it does not, or that another worker took the trial over.
        probe: asks the database, and puts in order what the outage left.
        is_stopped: whether the worker is asked to stop.
        heartbeat_sec: seconds between two signs of life of a worker.

    Raises:
        DatabaseLost: it did not answer for PATIENCE_SEC.
    """
    notice(_told(url, error))
    deadline = time.monotonic() + PATIENCE_SEC
    while not is_stopped():
        try:
            with storage_faults(url):
                probe()
        except DatabaseLost as lost:
            if time.monotonic() > deadline:
                raise DatabaseLost(f"{lost}; the next `run` tries again what ran") from None
            time.sleep(_POLL_SEC)
            continue
        time.sleep(2 * heartbeat_sec)  # others that live say so before anybody takes them for dead
        return


def _told(url: str, error: DatabaseLost | Adrift) -> str:
    if isinstance(error, Adrift):
        cause = error.__cause__
        if isinstance(cause, UpdateFinishedTrialError):
            return f"{error} was silent for too long, and another worker has taken it over"
        error = database_lost(url, cause or error)
    return f"{error}; trying again for {PATIENCE_SEC:g} s"

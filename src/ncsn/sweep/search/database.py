"""The database of studies: where it is, whether it is Optuna's, what its faults mean.

SQLite gets a write-ahead log and leaves syncing to the operating system's own pace: a commit then
takes a fraction of a millisecond, and a power cut can lose the last trials but not the file.
"""

import contextlib
import os
import sqlite3
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from ncsn.base.addresses import STORAGE, masked
from ncsn.base.errors import UserError
from ncsn.config.params import SweepParams

Storage = str | BaseStorage  # an address, or what is open behind it
_BUSY_SEC = 60  # a writer waits so long for its turn
_KINDS = "sqlite:///sweeps.db on one machine, postgresql://... for several"
_PACKAGES = {"psycopg2": "psycopg2-binary", "psycopg": "psycopg[binary]", "mysqldb": "mysqlclient"}
_TABLES = {"studies", "trials", "version_info"}  # that Optuna has had in every version
_HEADER = 100  # bytes with which every database of SQLite begins
_LONGEST_PATH = 511  # bytes, of SQLite's own
_ADVICE = {
    "locked": "another program holds it; end that, or wait, and run the same command again",
    "readonly": "its file or folder cannot be written; change its permissions",
    "unable to open": "its folder must exist, and be yours to read and write",
    "full": "the disk is full; free some space and run the same command again",
    "disk i/o error": "the disk failed or is full, or the file was cut short: bring a copy back",
    "malformed": "the file is broken; move it away, or bring a copy back",
    "no such table": "it was deleted or replaced meanwhile; bring it back, or start anew",
}


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


def sqlite_path(url: str, root: Path) -> Path | None:
    """Returns SQLite's file, taken from the project's top folder; None for another database.

    Raises:
        UserError: the address is none, or names no file.
    """
    try:
        parsed = sqlalchemy.make_url(url)
    except (ArgumentError, ValueError):
        text = "..." if "@" in url else url  # what is no address may have its password anywhere
        raise refused(text, f"is no address of a database; {_KINDS}") from None
    if parsed.get_backend_name() != "sqlite":
        return None
    if parsed.database in (None, "", ":memory:"):
        raise refused(url, "must name a file: workers share it; sqlite:///sweeps.db")
    return (root / str(parsed.database)).resolve()


def refuse_foreign_file(url: str, path: Path) -> None:
    """Refuses a file that is there and is not Optuna's, which would write tables into it.

    Raises:
        UserError: it is a folder, no database, or somebody else's.
    """
    other = "name another file, or move this one away"
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise refused(url, f"SQLite takes {_LONGEST_PATH} bytes of a path; {path} has more")
    if path.is_dir():
        raise refused(url, f"{path} is a folder; {other}")
    if not path.exists() or not path.stat().st_size:
        return
    tables = _tables(path) if path.stat().st_size >= _HEADER else None
    if tables is None:
        raise refused(url, f"{path} is no SQLite database; {other}")
    if tables and not tables >= _TABLES:
        raise refused(url, f"{path} is the database of something else than Optuna; {other}")


def version_complaint(url: str, reason: str) -> UserError:
    """Returns what to do about a database of another Optuna.

    Args:
        url: its address.
        reason: what Optuna says.
    """
    made = reason.partition("(set up by ")[2].partition(")")[0] or "another Optuna"
    if "storage upgrade" in reason:
        command = f"optuna storage upgrade --storage '{masked(url)}'"
        return refused(url, f"was made by {made}; keep a copy of it and run: {command}")
    rule = f"is newer than the Optuna installed here, {optuna.__version__} (first {made})"
    return refused(url, f"{rule}; install that Optuna, or name another database")


@contextlib.contextmanager
def storage_faults(url: str) -> Iterator[None]:
    """Turns what SQLAlchemy and Optuna raise when a database fails into a UserError.

    Args:
        url: the value of `sweep.storage`.
    """
    try:
        yield
    except NoSuchModuleError:
        raise refused(url, f"no such kind of database; {_KINDS}") from None
    except ImportError as error:
        if "DB access module" not in str(error):
            raise
        driver = sqlalchemy.make_url(url).get_dialect().driver
        package = _PACKAGES.get(driver, driver)
        need = f"the package of its driver is missing: python -m pip install {package}"
        raise refused(url, need) from None
    except (SQLAlchemyError, sqlite3.Error, optuna.exceptions.StorageInternalError) as error:
        raise refused(url, _with_advice(error)) from None


def refused(url: str, rule: str) -> UserError:
    """Returns the complaint about `sweep.storage`, without a password."""
    key = STORAGE if os.environ.get(STORAGE) else "sweep.storage"
    shown = masked(url)
    if shown == url and "@" in url:  # no address that can be read, and may be a password in it
        shown = url.partition("://")[0] + "://..."
    return UserError(f"{key} (value '{shown}'): {masked(rule)}")


def _with_advice(error: Exception) -> str:
    """The database's own words, which lie below those of two libraries, and what to do."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    reason = " ".join(str(cause).split())
    advice = next((text for word, text in _ADVICE.items() if word in reason.lower()), "")
    return f"{reason}; {advice}" if advice else reason


def _tables(path: Path) -> set[str] | None:
    """Names of a database's tables, None for another file.

    SQLite itself looks: closing a descriptor of ours would give up its locks on the file, and
    another process could then take the log of writes away.
    """
    try:
        return _read_tables(path)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_NOTADB:
            raise
        return None


def _read_tables(path: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {str(row[0]) for row in found}


def _connected(path: Path) -> sqlite3.Connection:
    """A connection for one of many writers; SQLAlchemy hands it from thread to thread."""
    connection = sqlite3.connect(path, timeout=_BUSY_SEC, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection

"""The database of studies: opened, made when it is not there, refused when it is not Optuna's.

SQLite gets a write-ahead log and leaves syncing to the operating system's own pace: a commit then
takes a fraction of a millisecond, and a power cut can lose the last trials but not the file.
"""

import contextlib
import os
import sqlite3
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy.pool import NullPool

from ncsn.config.params import SweepParams
from ncsn.sweep.search.address import (
    is_postgres,
    refused,
    sqlite_path,
    storage_faults,
    storage_url,
    version_complaint,
)
from ncsn.sweep.search.coordinator import connect_args, open_coordinator

Storage = str | BaseStorage  # an address, or what is open behind it
_BUSY_SEC = 60  # a writer waits so long for its turn
_TABLES = {"studies", "trials", "version_info"}  # that Optuna has had in every version
_VERSION_TABLE = "alembic_version"  # Optuna's and that of many other programs
_HEADER = 100  # bytes with which every database of SQLite begins
_LONGEST_PATH = 511  # bytes, of SQLite's own


def open_storage(params: SweepParams, root: Path) -> RDBStorage:
    """Opens the database, and makes it when it is not there, whoever else does so at once.

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
        own = _engine_options(url, root)
        with open_coordinator(url, root).lock("schema"):
            if is_postgres(url):
                _refuse_foreign_server(url)
            try:
                return _Storage(
                    url,
                    engine_kwargs=own,
                    heartbeat_interval=params.heartbeat_sec,
                    grace_period=params.grace_sec,
                )
            except RuntimeError as error:
                raise version_complaint(url, str(error)) from None


class _Storage(RDBStorage):
    """Optuna's, whose heart misses a beat while the database is away, and goes on after it."""

    def record_heartbeat(self, trial_id: int) -> None:
        """Gives a sign of life; an error would end the thread that does, and no trial."""
        with contextlib.suppress(optuna.exceptions.StorageInternalError):
            super().record_heartbeat(trial_id)


def _engine_options(url: str, root: Path) -> dict[str, Any]:
    """What SQLAlchemy needs to know of a database; a foreign file is refused."""
    if is_postgres(url):
        return {"pool_pre_ping": True, "connect_args": connect_args(url)}
    path = sqlite_path(url, root)
    if path is None:
        return {"pool_pre_ping": True}
    refuse_foreign_file(url, path)
    if not path.exists():
        with contextlib.suppress(OSError):  # SQLite says it, too
            path.touch()
    return {"creator": partial(_connected, path)}  # in a URL, '?' would end the path


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


def _refuse_foreign_server(url: str) -> None:
    """Refuses a database whose version table is not Optuna's, which would write into it."""
    engine = sqlalchemy.create_engine(url, poolclass=NullPool, connect_args=connect_args(url))
    tables = set(sqlalchemy.inspect(engine).get_table_names())
    if _VERSION_TABLE in tables and not tables >= _TABLES:
        rule = "is the database of something else than Optuna; name another one (`createdb`)"
        raise refused(url, rule)


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
    """A connection for one of many writers; SQLAlchemy hands it from thread to thread.

    A file that has gone is an error: SQLite would make an empty one, in the way of its return.
    """
    address = f"{path.as_uri()}?mode=rw"
    connection = sqlite3.connect(address, timeout=_BUSY_SEC, check_same_thread=False, uri=True)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection

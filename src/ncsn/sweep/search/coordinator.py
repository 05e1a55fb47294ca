"""Locks that every worker of a database shares, wherever it runs.

A lock belongs to the process that took it and ends with it, however that ends. SQLite serves one
host, and its locks are files beside it; PostgreSQL holds them itself. Another database coordinates
the processes of one host alone.
"""

import contextlib
import hashlib
import tempfile
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import quote

import sqlalchemy
from filelock import FileLock
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ncsn.base.addresses import masked
from ncsn.base.progress import notice
from ncsn.sweep.search.address import (
    is_postgres,
    parsed_url,
    refused,
    sqlite_path,
    storage_faults,
)

_PREFIX = "ncsn:"  # of names of locks: other programs may lock in the same database
_CONNECT_SEC = 30
_KEEPALIVE_SEC, _PROBE_SEC, _PROBES = 30, 10, 3  # a silent peer counts as dead after a minute
_LIBPQ = ("psycopg", "psycopg2")  # drivers that pass options to PostgreSQL's own library
_SETTINGS = sqlalchemy.text(  # a lock takes as long as it takes, and that of a dead host is freed
    "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_session_timeout = 0; "
    f"SET tcp_keepalives_idle = {_KEEPALIVE_SEC}; SET tcp_keepalives_interval = {_PROBE_SEC}; "
    f"SET tcp_keepalives_count = {_PROBES}"
)
_LOCK = sqlalchemy.text("SELECT pg_advisory_lock(:key)")
_UNLOCK = sqlalchemy.text("SELECT pg_advisory_unlock(:key)")


class Lock(AbstractContextManager[None], ABC):
    """A lock, held from the beginning of its `with` until its end or until `release`."""

    @abstractmethod
    def __enter__(self) -> None:
        """Waits for the lock, as long as it takes; a signal's exception ends the wait.

        Raises:
            UserError: the database or the lock's file cannot be reached.
        """

    @abstractmethod
    def release(self) -> None:
        """Gives the lock back early; a second time does nothing."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class Coordinator(Protocol):
    """Gives out locks by name. It can be sent to another process.

    The locks of a study are `study-<name>` for making it and giving out its points; others are
    named where they are taken.
    """

    def lock(self, name: str) -> Lock:
        """Returns a new lock called `name`, to be entered once; not twice by one thread."""


def open_coordinator(url: str, root: Path) -> Coordinator:
    """Returns the coordinator of a database; nothing is connected or written yet.

    Args:
        url: the database's address.
        root: the project's top folder, from which a file of SQLite is taken.

    Raises:
        UserError: the address is none.
    """
    if is_postgres(url):
        return PostgresLocks(url)
    path = sqlite_path(url, root)
    if path is not None:
        return FileLocks(url, path.with_name(f"{path.name}.locks"))
    digest = hashlib.sha256(masked(url).encode()).hexdigest()[:16]
    return FileLocks(url, Path(tempfile.gettempdir()) / f"ncsn-{digest}.locks")


@dataclass(frozen=True)
class FileLocks:
    """Locks among the processes of one host, as files in `folder`."""

    url: str = field(repr=False)
    folder: Path

    def lock(self, name: str) -> Lock:
        """Returns the lock `name`."""
        return _FileLock(self.url, self.folder / f"{quote(name, safe='')}.lock")


@dataclass(frozen=True)
class PostgresLocks:
    """Locks among all hosts, each on a connection of its own, held in the server."""

    url: str = field(repr=False)

    def lock(self, name: str) -> Lock:
        """Returns the lock `name`."""
        return _PostgresLock(self.url, name)


class _FileLock(Lock):
    def __init__(self, url: str, path: Path) -> None:
        self._url, self._path = url, path
        self._lock = FileLock(path)

    def __enter__(self) -> None:
        try:
            self._path.parent.mkdir(exist_ok=True)
            self._lock.acquire()
        except OSError as error:
            place = f"{self._path.parent} ({error.strerror})"
            rule = f"its locks cannot be kept in {place}; its folder must exist, and be yours"
            raise refused(self._url, f"{rule} to read and write") from None

    def release(self) -> None:
        self._lock.release()


class _PostgresLock(Lock):
    def __init__(self, url: str, name: str) -> None:
        self._url, self._name, self._key = url, name, {"key": lock_key(name)}
        self._connection: sqlalchemy.Connection | None = None

    def __enter__(self) -> None:
        with storage_faults(self._url):
            connection = _lock_engine(self._url).connect()
            try:
                connection.execute(_SETTINGS)
                connection.execute(_LOCK, self._key)
            except BaseException:  # a signal's, too
                _dropped(connection)
                raise
        self._connection = connection

    def release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.execute(_UNLOCK, self._key)
            connection.close()
        except SQLAlchemyError:
            _dropped(connection)
            lost = f"the connection to {masked(self._url)} broke while it held '{self._name}'"
            notice(f"{lost}; the work went on, and another worker may have done it, too")


def lock_key(name: str) -> int:
    """Returns PostgreSQL's key of a lock, 64 bits with a sign.

    >>> lock_key("study-epsilon-digits") == lock_key("study-epsilon-digits") != lock_key("schema")
    True
    """
    digest = hashlib.blake2b(f"{_PREFIX}{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def connect_args(url: str) -> dict[str, Any]:
    """Returns what a connection to PostgreSQL is made with, so that a dead server is noticed."""
    if parsed_url(url).get_dialect().driver not in _LIBPQ:
        return {}
    return {
        "connect_timeout": _CONNECT_SEC,
        "keepalives": 1,
        "keepalives_idle": _KEEPALIVE_SEC,
        "keepalives_interval": _PROBE_SEC,
        "keepalives_count": _PROBES,
    }


@cache
def _lock_engine(url: str) -> sqlalchemy.Engine:
    """Makes connections; it keeps none, and no transaction is open while a lock is held."""
    return sqlalchemy.create_engine(
        url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=connect_args(url)
    )


def _dropped(connection: sqlalchemy.Connection) -> None:
    with contextlib.suppress(SQLAlchemyError):
        connection.invalidate()
    connection.close()

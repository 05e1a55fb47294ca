"""The address of the studies' database, and what its faults mean."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import optuna
import sqlalchemy
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from ncsn.base.addresses import STORAGE, masked
from ncsn.base.errors import UserError
from ncsn.config.params import SweepParams

POSTGRES = "python -m pip install --constraint constraints.txt --editable '.[postgres]'"
_KINDS = "sqlite:///sweeps.db on one machine, postgresql://... for several"
_INSTALLED_BY = {
    "psycopg": POSTGRES,
    "psycopg2": "python -m pip install psycopg2-binary",
    "mysqldb": "python -m pip install mysqlclient",
}
_ADVICE = {
    "locked": "another program holds it; end that, or wait, and run the same command again",
    "readonly": "its file or folder cannot be written; change its permissions",
    "unable to open": "its folder must exist, and be yours to read and write; "
    "a file that was moved away is to be brought back",
    "full": "the disk is full; free some space and run the same command again",
    "disk i/o error": "the disk failed or is full, or the file was cut short: bring a copy back",
    "malformed": "the file is broken; move it away, or bring a copy back",
    "no such table": "it was deleted or replaced meanwhile; bring it back, or start anew",
    "too many clients": "each worker takes up to four connections; raise its max_connections",
    "authentication failed": "user or password is wrong",
    "connection refused": "nothing listens there; start it, or correct host and port",
}


class DatabaseLost(UserError):
    """The database of studies did not answer, or failed."""


def storage_url(params: SweepParams) -> str:
    """Returns the database's URL, that of the environment first.

    It may hold a password: it is shown through `masked` alone.
    """
    return os.environ.get(STORAGE) or params.storage


def parsed_url(url: str) -> sqlalchemy.URL:
    """Returns the parts of an address.

    Raises:
        UserError: it is none.
    """
    try:
        return sqlalchemy.make_url(url)
    except (ArgumentError, ValueError):
        text = "..." if "@" in url else url  # what is no address may have its password anywhere
        raise refused(text, f"is no address of a database; {_KINDS}") from None


def is_postgres(url: str) -> bool:
    """Whether an address is that of PostgreSQL; errors as `parsed_url`."""
    return parsed_url(url).get_backend_name() == "postgresql"


def sqlite_path(url: str, root: Path) -> Path | None:
    """Returns SQLite's file, taken from the project's top folder; None for another database.

    Raises:
        UserError: the address is none, or names no file.
    """
    parsed = parsed_url(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    if parsed.database in (None, "", ":memory:"):
        raise refused(url, "must name a file: workers share it; sqlite:///sweeps.db")
    return (root / str(parsed.database)).resolve()


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
        driver = _driver(url)
        if "DB access module" not in str(error) and error.name != driver:
            raise
        command = _INSTALLED_BY.get(driver, f"python -m pip install {driver}")
        need = f"the package of its driver is missing: {command}"
        raise refused(url, need) from None
    except (SQLAlchemyError, sqlite3.Error, optuna.exceptions.StorageInternalError) as error:
        raise database_lost(url, error) from None


def database_lost(url: str, error: BaseException) -> DatabaseLost:
    """Returns the complaint about a database that failed.

    Args:
        url: its address.
        error: what a library raised.
    """
    return DatabaseLost(str(refused(url, _with_advice(error))))


def refused(url: str, rule: str) -> UserError:
    """Returns the complaint about `sweep.storage`, without a password."""
    key = STORAGE if os.environ.get(STORAGE) else "sweep.storage"
    shown = masked(url)
    if shown == url and "@" in url:  # no address that can be read, and may be a password in it
        shown = url.partition("://")[0] + "://..."
    return UserError(f"{key} (value '{shown}'): {masked(rule)}")


def _driver(url: str) -> str:
    try:
        return sqlalchemy.make_url(url).get_dialect().driver
    except SQLAlchemyError:
        return ""


def _with_advice(error: BaseException) -> str:
    """The database's own words, which lie below those of two libraries, and what to do."""
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    reason = " ".join(str(cause).split())
    advice = next((text for word, text in _ADVICE.items() if word in reason.lower()), "")
    return f"{reason}; {advice}" if advice else reason

"""The SQLite file of a store, looked at without MLflow: whether it can serve, and where it lies.

Given a file that it cannot use, MLflow tries for a minute, or gives advice for another case.
"""

import contextlib
import importlib.metadata
import importlib.util
import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

_HEADER = 100  # bytes with which every database of SQLite begins
_FOREIGN = "is not a database of SQLite; move it away, or name another file"
_BUSY_SEC = 5.0
_COMPLETE = ("FINISHED", 2)  # a run's status, a logged model's
_TABLES = {"experiments", "runs", "alembic_version"}
_REVISION = re.compile(r'^(down_)?revision\b.*= "(\w+)"', re.MULTILINE)


def database_fault(path: Path) -> str | None:
    """Returns why the file cannot be MLflow's database, None if it can, or can be made there.

    SQLite itself looks: closing a descriptor of ours would give up the locks that MLflow has on
    the file in this process. Another one could then take the log of writes away, and ours be lost.
    """
    if path.is_dir():
        return "is a folder where MLflow's database, a file, should be; move it away"
    if is_absent(path):
        return folder_fault(path.parent)
    if not os.access(path, os.R_OK | os.W_OK):
        return "is read-only for this user; allow writing, or name another store"
    if path.stat().st_size < _HEADER:
        return _FOREIGN
    try:
        with reading(path) as connection:
            return _content_fault(connection, path)
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return "is locked by another process; run this again when that has ended"
        return f"cannot be read by SQLite ({error})"
    except (OSError, sqlite3.DatabaseError) as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
            return _FOREIGN
        return f"is damaged or unreadable ({error}); restore a copy, or move it away"


def is_absent(path: Path) -> bool:
    """Whether there is no database yet; an empty file counts as absent."""
    return not path.exists() or (path.is_file() and not path.stat().st_size)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Yields a connection that cannot write."""
    address = f"{path.resolve().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, timeout=_BUSY_SEC, uri=True)) as connection:
        yield connection


def relocate(path: Path, artifacts: Path, experiment: str) -> None:
    """Lets the database of a project that was moved or copied name the artifacts beside it.

    MLflow keeps absolute addresses. Files that were moved with the project lie under `artifacts`
    by the same names, and their runs are given that address. A complete run whose files still
    exist elsewhere keeps its address, also after a change of `artifact_root`. All new files go to
    `artifacts`.

    Args:
        path: the database.
        artifacts: the project's folder of artifacts, absolute.
        experiment: name of the experiment that is opened.
    """
    with reading(path) as connection:
        if not _strangers(connection, artifacts.as_uri()):
            return
    with contextlib.closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for number, name, old in _strangers(connection, artifacts.as_uri()):
            came_along = _relocate_contents(connection, number, old, artifacts)
            if came_along or name == experiment:
                connection.execute(
                    "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?",
                    (artifacts.as_uri(), number),
                )
        connection.execute("COMMIT")


def _strangers(connection: sqlite3.Connection, here: str) -> list[tuple[int, str, str]]:
    """Id, name and location of experiments that write to another local folder than `here`."""
    return connection.execute(
        "SELECT experiment_id, name, artifact_location FROM experiments WHERE experiment_id != 0 "
        "AND artifact_location LIKE 'file:%' AND artifact_location != ?",
        (here,),
    ).fetchall()


def _relocate_contents(
    connection: sqlite3.Connection, experiment: int, old: str, artifacts: Path
) -> bool:
    """Rewrites the addresses of runs and models; whether the files of any came along."""
    came_along = False
    for table, key, column in (
        ("runs", "run_uuid", "artifact_uri"),
        ("logged_models", "model_id", "artifact_location"),
    ):
        query = f"SELECT {key}, {column}, status FROM {table} WHERE experiment_id = ?"
        for name, uri, status in connection.execute(query, (experiment,)).fetchall():
            if not uri.startswith(f"{old}/"):
                continue
            rest = uri.removeprefix(f"{old}/")
            is_here = (artifacts / rest).is_dir()
            came_along |= is_here
            if is_here or status not in _COMPLETE or not _folder_of(uri).is_dir():
                here = f"{artifacts.as_uri()}/{rest}"
                connection.execute(
                    f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (here, name)
                )
    return came_along


def _folder_of(uri: str) -> Path:
    return Path(url2pathname(urlsplit(uri).path))


def folder_fault(folder: Path) -> str | None:
    """Returns why no file can be made in a folder that may not exist yet, None if one can."""
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        return f"cannot be made: {nearest} is a file; move it away, or name another place"
    if not os.access(nearest, os.W_OK | os.X_OK):
        return f"cannot be made: {nearest} is not writable for this user"
    return None


def _content_fault(connection: sqlite3.Connection, path: Path) -> str | None:
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    tables = {name for (name,) in names}
    if not tables >= _TABLES:
        held = ", ".join(sorted(tables)[:3]) or "none"
        return f"is a database of something else (tables: {held}); name another file"
    (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    newer_of = _revisions()
    mlflow = f"MLflow {importlib.metadata.version('mlflow')}"
    if found not in newer_of:
        return f"was made by a newer version than {mlflow}; install that one, or name another file"
    if newer_of[found] is not None:
        upgrade = f"mlflow db upgrade sqlite:///{path}"
        return f"was made by an older version than {mlflow}; copy it, then run `{upgrade}`"
    return None


def _revisions() -> dict[str, str | None]:
    """The revisions of the database that the installed MLflow knows, each with its successor."""
    spec = importlib.util.find_spec("mlflow")
    assert spec is not None and spec.origin is not None
    newer_of: dict[str, str | None] = {}
    for file in Path(spec.origin).parent.glob("store/db_migrations/versions/*.py"):
        match dict(_REVISION.findall(file.read_text())):
            case {"": own, "down_": before}:
                newer_of[before] = own
                newer_of.setdefault(own, None)
    return newer_of

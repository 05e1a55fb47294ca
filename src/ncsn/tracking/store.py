"""The MLflow store: where it lies, its safe creation, its experiment and its locks.

MLflow cannot create one SQLite database from two processes: all of them fail and the file stays
broken, as it does when the only one is killed. The database is therefore made under a lock, with a
temporary name, and renamed when it is whole. Nothing here uses MLflow's global state.
"""

import hashlib
import logging
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import NamedTuple

import mlflow  # noqa: F401  (sets up the loggers that are quietened below)
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from ncsn.errors import UserError
from ncsn.io import whole_file
from ncsn.params import TrackParams

_SQLITE = "sqlite:///"

for _name in ("mlflow", "alembic"):  # announce every migration of a new database
    logging.getLogger(_name).setLevel(logging.WARNING)


class Store(NamedTuple):
    """An open store.

    Attributes:
        client: its client.
        experiment_id: the project's experiment.
        uri: the address, absolute.
    """

    client: MlflowClient
    experiment_id: str
    uri: str


def store_uri(track: TrackParams, root: str | Path = ".") -> str:
    """Returns the store's address; a relative SQLite path is taken from `root`."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or track.uri
    if not uri.startswith(_SQLITE):
        return uri
    return _SQLITE + str((Path(root) / uri.removeprefix(_SQLITE)).resolve())


def database_path(uri: str) -> Path | None:
    """Returns the file of a SQLite address, None for any other address."""
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def open_store(track: TrackParams, root: str | Path = ".") -> Store:
    """Opens the store and its experiment, making what does not exist.

    Raises:
        UserError: the store cannot be reached, or was made by another version of MLflow.
    """
    uri = store_uri(track, root)
    try:
        with store_lock(uri):
            database = database_path(uri)
            if database is not None and not database.exists():
                _create_database(database)
            client = MlflowClient(uri, registry_uri=uri)
            return Store(client, _experiment_id(client, track, uri, root), uri)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = str(error).splitlines()[0].strip()
        raise UserError(
            f"track.uri (value {uri!r}): MLflow cannot open this store: {reason}"
        ) from None


def store_lock(uri: str, name: str = "store") -> FileLock:
    """Returns a lock called `name` among the processes of this host that use the store `uri`."""
    database = database_path(uri)
    if database is not None:
        folder = database.with_name(f"{database.name}.locks")
    else:
        digest = hashlib.sha256(uri.encode()).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"ncsn-{digest}.locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{name}.lock")


def _create_database(path: Path) -> None:
    """Makes an empty store that appears at `path` when its last migration is done."""
    from mlflow.store.db.utils import _safe_initialize_tables, create_sqlalchemy_engine

    with whole_file(path) as partial:
        engine = create_sqlalchemy_engine(f"{_SQLITE}{partial}")
        _safe_initialize_tables(engine)
        engine.dispose()
        with sqlite3.connect(partial) as connection:  # readers do not wait for the writer
            connection.execute("PRAGMA journal_mode=WAL")
        connection.close()


def _experiment_id(client: MlflowClient, track: TrackParams, uri: str, root: str | Path) -> str:
    found = client.get_experiment_by_name(track.experiment)
    if found is not None and found.lifecycle_stage == "deleted":
        raise UserError(
            f"track.experiment (value {track.experiment!r}): was deleted in {uri}; restore it "
            f"with `mlflow experiments restore -x {found.experiment_id}` or choose another name"
        )
    if found is not None:
        return str(found.experiment_id)
    if uri.startswith("http"):  # the server knows where its artifacts go
        return str(client.create_experiment(track.experiment))
    artifacts = (Path(root) / track.artifact_root).resolve()
    return str(client.create_experiment(track.experiment, artifact_location=artifacts.as_uri()))

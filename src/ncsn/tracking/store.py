"""The MLflow store: where it lies, its safe creation, its experiment and its locks.

MLflow cannot create one SQLite database from two processes: all of them fail and the file stays
broken. A single process that is killed leaves a broken file too. The database is therefore made
under a lock, with a temporary name, and renamed when it is whole. Nothing here uses MLflow's
global state.
"""

import contextlib
import hashlib
import logging
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import mlflow  # noqa: F401  (sets up the loggers that are quietened below)
from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from sqlalchemy.exc import SQLAlchemyError

from ncsn.base.addresses import masked
from ncsn.base.errors import UserError
from ncsn.base.files import whole_file
from ncsn.config.params import TrackParams
from ncsn.tracking.database import database_fault, folder_fault, is_absent, relocate
from ncsn.tracking.place import SQLITE, artifact_folder, database_path, refusal, store_uri

for _name in ("mlflow", "alembic"):  # announce every migration of a new database
    logging.getLogger(_name).setLevel(logging.WARNING)
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines for each run


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


def open_store(track: TrackParams, root: str | Path = ".") -> Store:
    """Opens the store and its experiment, making what does not exist.

    Raises:
        UserError: the store cannot be reached, or was made by another version of MLflow.
    """
    uri, artifacts = store_uri(track, root), artifact_folder(track, root)
    require_usable(uri)
    lock = contextlib.nullcontext() if is_served(uri) else store_lock(uri)
    with store_errors(uri), lock:
        database = database_path(uri)
        if database is not None:
            _require_writable(track, artifacts)
            if is_absent(database):
                _create_database(database)
            relocate(database, artifacts, track.experiment)
        client = connected(uri)
        return Store(client, _experiment_id(client, track, uri, artifacts), uri)


def is_served(uri: str) -> bool:
    """Whether a server answers for the store: no lock is held while it is waited for."""
    return uri.startswith("http")


def connected(uri: str) -> MlflowClient:
    """Returns the client of a store and of its registry of models; asks it nothing yet."""
    try:
        return MlflowClient(uri, registry_uri=uri)
    except ImportError as error:  # the driver of a database
        raise UserError(refusal(uri, f"{error}; install the package of this database")) from None
    except ValueError:  # its text may quote what was taken for the port
        rule = "is no address of a store; special characters of a password are written %XX"
        raise UserError(refusal(uri, rule)) from None


def require_usable(uri: str) -> None:
    """Refuses a SQLite file that MLflow could not use, with the reason, before MLflow tries.

    Raises:
        UserError: it is a folder, another database, of another version, locked or not writable.
    """
    database = database_path(uri)
    fault = None if database is None else database_fault(database)
    if fault is not None:
        raise UserError(refusal(uri, fault))


def require_store(uri: str) -> None:
    """Refuses a store that is not there yet, or cannot be used; errors as `require_usable`."""
    database = database_path(uri)
    if database is not None and not database.is_dir() and is_absent(database):
        raise UserError(f"{database} does not exist yet; `make repro` makes it with the first run")
    require_usable(uri)


@contextlib.contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turns what goes wrong between MLflow and the store into one line that names the store."""
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(refusal(uri, f"MLflow cannot use this store: {reason}")) from None


def store_lock(uri: str, name: str = "store") -> FileLock:
    """Returns a lock called `name` among the processes of this host that use the store `uri`."""
    database = database_path(uri)
    if database is not None:
        folder = database.with_name(f"{database.name}.locks")
    else:
        digest = hashlib.sha256(masked(uri).encode()).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"ncsn-{digest}.locks"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{name}.lock")


def _create_database(path: Path) -> None:
    """Makes an empty store that appears at `path` when its last migration is done."""
    from mlflow.store.db.utils import _safe_initialize_tables, create_sqlalchemy_engine

    with whole_file(path) as partial:
        engine = create_sqlalchemy_engine(f"{SQLITE}{partial}")
        _safe_initialize_tables(engine)
        engine.dispose()
        with sqlite3.connect(partial) as connection:  # readers do not wait for the writer
            connection.execute("PRAGMA journal_mode=WAL")
        connection.close()


def _require_writable(track: TrackParams, artifacts: Path) -> None:
    fault = folder_fault(artifacts)
    if fault is not None:
        value = track.artifact_root
        raise UserError(f"track.artifact_root (value {value!r}): {artifacts} {fault}")


def _experiment_id(client: MlflowClient, track: TrackParams, uri: str, artifacts: Path) -> str:
    found = client.get_experiment_by_name(track.experiment)
    if found is not None and found.lifecycle_stage == "deleted":
        place = masked(uri)
        raise UserError(
            f"track.experiment (value {track.experiment!r}): was deleted in {place}; restore it "
            f"with `mlflow experiments restore -x {found.experiment_id}` or choose another name"
        )
    if found is not None:
        return str(found.experiment_id)
    if is_served(uri):  # the server knows where its artifacts go
        return _experiment_of_server(client, track.experiment)
    return str(client.create_experiment(track.experiment, artifact_location=artifacts.as_uri()))


def _experiment_of_server(client: MlflowClient, name: str) -> str:
    """Makes an experiment, or finds what another process made since it was looked for."""
    try:
        return str(client.create_experiment(name))
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise
        return str(client.get_experiment_by_name(name).experiment_id)

"""A store that cannot serve is told at once, in one line, and stays as it is."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from unprivileged import common_folder, denial

from ncsn.base.errors import UserError
from ncsn.config.params import TrackParams, load_params
from ncsn.tracking import server
from ncsn.tracking.database import database_fault
from ncsn.tracking.server import addresses, free_port, serving
from ncsn.tracking.store import open_store

TRACK = TrackParams(uri="sqlite:///mlflow.db", artifact_root="art", experiment="e", log_model=True)


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "mine").write_text("mine")


def _foreign(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE studies (a)")


def _damaged(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE runs (a)")
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 5000)


def _version(version: str) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with sqlite3.connect(path) as connection:
            for table in ("experiments", "runs"):
                connection.execute(f"CREATE TABLE {table} (a)")
            connection.execute("CREATE TABLE alembic_version (version_num)")
            connection.execute("INSERT INTO alembic_version VALUES (?)", (version,))

    return make


BROKEN = {
    "is a folder": _folder,
    "is not a database of SQLite": lambda path: path.write_text("not a database" * 9),
    "is a database of something else": _foreign,
    "is damaged": _damaged,
    "was made by a newer version": _version("ffffffffffff"),
    "was made by an older version .*mlflow db upgrade": _version("451aebb31d03"),
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_database_that_cannot_serve_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    path = tmp_path / "mlflow.db"
    BROKEN[reason](path)
    before = path.read_bytes() if path.is_file() else sorted(path.iterdir())
    start = time.monotonic()
    for attempt in (open_store, addresses):
        with pytest.raises(UserError, match=rf"track\.uri .*mlflow\.db.*{reason}"):
            attempt(TRACK, tmp_path)
    with pytest.raises(UserError, match=reason), serving(TRACK, tmp_path):
        pass
    assert time.monotonic() - start < 5
    assert before == (path.read_bytes() if path.is_file() else sorted(path.iterdir()))


def test_a_database_that_a_user_may_only_read_is_told(empty_store: Path) -> None:
    with common_folder() as folder:
        path = Path(shutil.copy(empty_store, folder / "mlflow.db"))
        path.chmod(0o444)

        def look() -> None:
            if fault := database_fault(path):
                raise UserError(fault)

        assert "is read-only for this user" in (denial(look) or "")


def test_a_whole_database_and_an_absent_one_are_fine(empty_store: Path, tmp_path: Path) -> None:
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    assert database_fault(tmp_path / "mlflow.db") is None
    assert database_fault(tmp_path / "not" / "yet" / "mlflow.db") is None


def test_looking_at_a_database_gives_up_no_lock_on_it(tmp_path: Path) -> None:
    """MLflow has it open in this process while another process is the last to close it."""
    path, insert = tmp_path / "mlflow.db", "INSERT INTO runs VALUES (1)"
    ours = sqlite3.connect(path, isolation_level=None)
    ours.execute("PRAGMA journal_mode=WAL")
    ours.execute("CREATE TABLE runs (a)")
    database_fault(path)
    code = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2])\n"
    code += "c.commit(); c.close()"
    subprocess.run([sys.executable, "-c", code, str(path), insert], check=True)
    ours.execute(insert)
    count = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1])\n"
    count += "print(c.execute('SELECT count(*) FROM runs').fetchone()[0])"
    command = [sys.executable, "-c", count, str(path)]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "2"
    ours.close()


def test_a_database_that_may_not_be_written_is_told(
    empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mlflow.db"
    shutil.copy(empty_store, path)
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anything
    assert "read-only" in str(database_fault(path))
    assert "not writable" in str(database_fault(tmp_path / "other.db"))


def test_a_locked_database_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ncsn.tracking.database._BUSY_SEC", 0.1)
    connection = sqlite3.connect(project / "mlflow.db", isolation_level=None)
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(UserError, match="is locked by another process"):
            open_store(TRACK)
    finally:
        connection.close()


def test_a_root_of_artifacts_that_is_a_file_is_told(project: Path) -> None:
    (project / "art").write_text("mine")
    with pytest.raises(UserError, match=r"track\.artifact_root .*art is a file"):
        open_store(TRACK)
    assert (project / "art").read_text() == "mine"


def _no_server(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """What is started instead of MLflow's server."""
    popen = subprocess.Popen

    def start(command: list[str], **options: object) -> object:
        return popen([sys.executable, "-c", code], **options)

    monkeypatch.setattr(server.subprocess, "Popen", start)


def test_a_server_that_ends_says_why(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "import sys; sys.exit('INFO: starting\\nOSError: [Errno 98] address already in use\\nbye')"
    )
    _no_server(monkeypatch, code)
    with (
        pytest.raises(UserError, match=r"ended with status 1: OSError.*already in use$"),
        serving(load_params("track").track, port=free_port(5700)),
    ):
        pass


def test_a_server_that_hangs_is_ended(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_START_SEC", 0.5)
    _no_server(monkeypatch, "import time; time.sleep(60)")
    with (
        pytest.raises(UserError, match=r"did not answer within 0\.5 s: it printed nothing"),
        serving(load_params("track").track, port=free_port(5700)),
    ):
        pass


def test_the_servers_command_line_holds_no_address(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:cANary7@host/db")
    started = []

    def start(command: list[str], **options: dict[str, str]) -> None:
        started.append((command, options["env"]))
        raise OSError("not started")

    monkeypatch.setattr(server.subprocess, "Popen", start)
    with pytest.raises(OSError, match="not started"), serving(TRACK):
        pass
    command, environment = started[0]
    assert not any("cANary7" in word for word in command)
    assert environment["MLFLOW_BACKEND_STORE_URI"] == "postgresql://me:cANary7@host/db"

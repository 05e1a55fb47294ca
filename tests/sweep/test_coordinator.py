"""Locks among processes: files beside SQLite, the server's own in PostgreSQL."""

import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from ncsn.base.errors import UserError
from ncsn.config.params import SweepParams
from ncsn.sweep.search import coordinator as module
from ncsn.sweep.search.coordinator import PostgresLocks, lock_key, open_coordinator
from ncsn.sweep.search.database import open_storage

HEAD = """
import sys, time
from pathlib import Path
from ncsn.sweep.search.coordinator import open_coordinator
url, folder = sys.argv[1], Path(sys.argv[2])
coordinator = open_coordinator(url, folder)
"""
COUNTS = """
for _ in range(10):
    with coordinator.lock("count"):
        number = int((folder / "number").read_text())
        time.sleep(0.002)
        (folder / "number").write_text(str(number + 1))
"""
HOLDS = """
with coordinator.lock("held"):
    (folder / "holds").touch()
    time.sleep(600)
"""
WAITS = """
(folder / "waits").touch()
with coordinator.lock("held"):
    print("has it")
"""
OPENS = """
from ncsn.config.params import SweepParams
from ncsn.sweep.search.database import open_storage
params = SweepParams(storage="sqlite:///sweeps.db", heartbeat_sec=1, grace_sec=2, max_retry=2)
(folder / f"ready {sys.argv[3]}").touch()
while len(list(folder.glob("ready *"))) < 4:
    time.sleep(0.01)
open_storage(params, folder)
"""


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, monkeypatch) -> str:
    """The address of a database that is not there, or empty."""
    monkeypatch.delenv("NCSN_SWEEP_STORAGE", raising=False)
    if request.param == "sqlite":
        return "sqlite:///sweeps.db"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def start(tmp_path, url):
    """Starts a process with the coordinator of `url`; none outlives the test."""
    processes = []

    def begin(code: str, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HEAD + code, url, str(tmp_path), *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen(command, text=True, **pipes))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.02)


def _is_free(url: str, folder: Path, name: str) -> bool:
    """Whether another holder would get the lock at once."""
    coordinator = open_coordinator(url, folder)
    if isinstance(coordinator, PostgresLocks):
        with module._lock_engine(url).connect() as connection:
            taken = f"SELECT pg_try_advisory_lock({lock_key(name)})"
            return bool(connection.exec_driver_sql(taken).scalar())
    lock = FileLock(coordinator.folder / f"{name}.lock")
    try:
        with lock.acquire(timeout=0):
            return True
    except Timeout:
        return False


def test_processes_take_turns(tmp_path, start):
    (tmp_path / "number").write_text("0")
    processes = [start(COUNTS) for _ in range(3)]
    for process in processes:
        assert process.wait() == 0, process.communicate()
    assert (tmp_path / "number").read_text() == "30"


def test_the_lock_of_a_killed_process_is_free(tmp_path, start, url):
    holder = start(HOLDS)
    _wait_for(tmp_path / "holds")
    assert not _is_free(url, tmp_path, "held")
    holder.kill()
    holder.wait()
    deadline = time.monotonic() + 10
    while not _is_free(url, tmp_path, "held"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_wait(tmp_path, start, url, number):
    start(HOLDS)
    _wait_for(tmp_path / "holds")
    term = "import signal\nsignal.signal(signal.SIGTERM, signal.default_int_handler)\n"
    waiter = start(term + WAITS)
    _wait_for(tmp_path / "waits")
    time.sleep(0.5)
    waiter.send_signal(number)
    printed, errors = waiter.communicate(timeout=10)
    assert "has it" not in printed and "KeyboardInterrupt" in errors


def test_a_lock_given_back_early_is_free_and_the_end_of_the_block_does_nothing(tmp_path, url):
    lock = open_coordinator(url, tmp_path).lock("points")
    with lock:
        assert not _is_free(url, tmp_path, "points")
        lock.release()
        assert _is_free(url, tmp_path, "points")
        with open_coordinator(url, tmp_path).lock("points"):
            lock.release()
            assert not _is_free(url, tmp_path, "points")


def test_many_locks_at_once_and_an_error_in_one(tmp_path, url):
    coordinator = open_coordinator(url, tmp_path)
    names = [f"train-{number}/a b" for number in range(20)]
    locks = [coordinator.lock(name) for name in names]
    for lock in locks:
        lock.__enter__()
    with pytest.raises(ZeroDivisionError), coordinator.lock("other"):
        raise ZeroDivisionError
    assert _is_free(url, tmp_path, "other")
    for lock in locks:
        lock.release()
    assert _is_free(url, tmp_path, "train-0/a b".replace("/", "%2F").replace(" ", "%20"))


def test_a_coordinator_can_be_sent_to_another_process_and_shows_no_password(tmp_path, url):
    coordinator = open_coordinator(url, tmp_path)
    with coordinator.lock("before"):  # what is open stays here
        again = pickle.loads(pickle.dumps(coordinator))
    with again.lock("after"):
        assert not _is_free(url, tmp_path, "after")
    assert "cANary7" not in repr(coordinator)


def test_many_processes_make_one_database_at_once(tmp_path, start, url, monkeypatch):
    monkeypatch.setenv("NCSN_SWEEP_STORAGE", url)
    for process in [start(OPENS, str(number)) for number in range(4)]:
        assert process.wait() == 0, process.communicate()


def test_work_goes_on_with_one_notice_when_the_connection_is_lost(postgres, postgres_url, capsys):
    coordinator, backends = open_coordinator(postgres_url, Path(".")), "pg_stat_activity"
    with coordinator.lock("train-x"):
        name = postgres_url.rpartition("/")[2]
        ended = f"SELECT pg_terminate_backend(pid) FROM {backends} WHERE datname = '{name}'"
        assert postgres.execute(ended)
    said = capsys.readouterr().err
    assert said.count("notice") == 1 and "broke while it held 'train-x'" in said
    assert "cANary7" not in said
    with coordinator.lock("train-x"):
        pass
    assert capsys.readouterr().err == ""


def test_locks_outlast_the_limits_of_the_server(postgres, postgres_url):
    name = postgres_url.rpartition("/")[2]
    for limit in ("statement_timeout", "lock_timeout", "idle_session_timeout"):
        postgres.execute(f"ALTER DATABASE {name} SET {limit} = '300ms'")
    coordinator = open_coordinator(postgres_url, Path("."))
    order = []

    def second() -> None:
        with coordinator.lock("x"):
            order.append("second")

    with coordinator.lock("x"):
        waiter = threading.Thread(target=second)
        waiter.start()
        time.sleep(1)
        order.append("first")
    waiter.join(timeout=10)
    assert order == ["first", "second"]


def test_connections_notice_a_dead_peer(postgres_url):
    with module._lock_engine(postgres_url).connect() as connection:
        info = connection.connection.dbapi_connection.info
        assert info.get_parameters()["keepalives_idle"] == "30"
        connection.execute(module._SETTINGS)
        shown = connection.exec_driver_sql("SHOW tcp_keepalives_idle").scalar()
        assert shown == "30"  # the server's own side, which frees the lock of a dead host
    storage = open_storage(_params(postgres_url), Path("."))
    assert storage.engine.pool._pre_ping
    with storage.engine.connect() as connection:
        info = connection.connection.dbapi_connection.info
        assert info.get_parameters()["keepalives_idle"] == "30"


def test_a_database_of_another_program_is_refused_and_left_alone(postgres, postgres_url):
    name = postgres_url.rpartition("/")[2]
    postgres.execute("CREATE TABLE alembic_version (version_num TEXT)", name)
    with pytest.raises(UserError, match="is the database of something else than Optuna"):
        open_storage(_params(postgres_url), Path("."))
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    assert [tuple(row) for row in postgres.execute(tables, name)] == [("alembic_version",)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda url: url.replace("cANary7", "cANary8"), "user or password is wrong"),
        (lambda url: url.rpartition(":")[0] + ":9/x", "nothing listens there"),
        (lambda url: url + "0nowhere", "does not exist"),
    ],
)
def test_a_server_that_cannot_be_used_is_one_line(postgres_url, change, told):
    with pytest.raises(UserError) as error:
        open_storage(_params(change(postgres_url)), Path("."))
    (line,) = str(error.value).splitlines()
    assert told in line and "cANary" not in line


def test_a_missing_driver_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UserError, match=r"--editable '.\[postgres\]'") as error:
        open_storage(_params("postgresql://me:cANary7@127.0.0.1:9/x"), Path("."))
    assert "cANary7" not in str(error.value)


def test_a_studys_lock_is_not_the_next_programs():
    assert lock_key("study-a") != lock_key("study-b")
    assert -(2**63) <= lock_key("study-a") < 2**63
    assert lock_key("study-epsilon-digits") == -1550479532544878237  # hosts of all versions agree


def _params(url: str) -> SweepParams:
    return SweepParams.model_construct(storage=url, heartbeat_sec=1, grace_sec=2, max_retry=2)

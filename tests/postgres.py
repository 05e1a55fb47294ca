"""A PostgreSQL server of the tests' own: in a temporary folder, on loopback, with a password."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.pool import NullPool
from unprivileged import NOBODY, common_folder

from ncsn.base.entry import die_with_parent

PASSWORD = "cANary7"  # every address of the server has it; nothing may show it
_START_SEC = 60


class Server:
    """A running server.

    Attributes:
        port: on which it listens.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder = programs, folder
        self._numbers = count()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self._initialise()
        self.start()

    def address(self, database: str) -> str:
        """Returns the address of a database, with the password."""
        return f"postgresql://ncsn:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def new_database(self) -> str:
        """Makes an empty database and returns its address."""
        name = f"studies{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.address(name)

    def execute(self, statement: str, database: str = "postgres") -> list[Any]:
        """Runs a statement as the administrator; returns its rows."""
        url = self.address(database)
        engine = sqlalchemy.create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            result = connection.execute(sqlalchemy.text(statement))
            return list(result) if result.returns_rows else []

    def start(self) -> None:
        """Starts it, and returns when it answers."""
        words = ["-D", "data", "-h", "127.0.0.1", "-p", str(self.port), "-k", str(self._folder)]
        words += ["-c", "fsync=off", "-c", "max_connections=100"]
        with open(self._folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", *words],
                stdout=log,
                stderr=log,
                preexec_fn=partial(die_with_parent, os.getpid()),
                **self._owner(),
            )
        deadline = time.monotonic() + _START_SEC
        while not self._answers():
            assert time.monotonic() < deadline, (self._folder / "log").read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        """Ends it at once, as when its host dies."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    def _answers(self) -> bool:
        try:
            return bool(self.execute("SELECT 1"))
        except sqlalchemy.exc.OperationalError:
            return False

    def _initialise(self) -> None:
        if os.geteuid() == 0:
            os.chown(self._folder, NOBODY, NOBODY)
        words = ["-D", "data", "-U", "ncsn", "-A", "scram-sha-256", "--pwfile", "password"]
        words += ["-E", "UTF8", "--no-locale", "--no-sync"]
        (self._folder / "password").write_text(PASSWORD)
        command = [self._programs / "initdb", *words]
        subprocess.run(command, check=True, capture_output=True, **self._owner())

    def _owner(self) -> dict[str, Any]:
        """PostgreSQL refuses to run as root."""
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        return {"cwd": self._folder, **user}


@contextmanager
def running_server() -> Iterator[Server]:
    """Yields a new server, which ends with the block or with this process."""
    programs = postgres_programs()
    assert programs is not None
    with common_folder() as folder:
        server = Server(programs, folder)
        try:
            yield server
        finally:
            server.stop()


def postgres_programs() -> Path | None:
    """Returns the folder of PostgreSQL's programs, the newest; Debian's is not on the PATH."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    found = sorted(debian, key=lambda path: float(path.parts[4]))
    on_path = shutil.which("initdb")
    programs = [*filter(None, [on_path and Path(on_path)]), *found]
    return programs[-1].resolve().parent if programs else None


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])

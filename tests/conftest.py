"""Fixtures that tests of more than one folder need."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from postgres import Server, postgres_programs, running_server

# The tests' tensors are small, and threads that wait for each other cost more than they bring.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell without job control starts background commands deaf to Ctrl-C, which tests send.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TEST_DATA = "NCSN_TEST_DATA"  # names a folder; tests/README.md says how to fill it
REAL_DATA = {
    "mnist": "the four .gz files of https://ossci-datasets.s3.amazonaws.com/mnist",
    "cifar10.npz": "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz as one archive",
    "inception.pth": "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
}


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Finds one of REAL_DATA in the folder that NCSN_TEST_DATA names, or skips the test."""

    def found(name: str) -> Path:
        path = Path(os.environ.get(TEST_DATA, "")) / name
        if not os.environ.get(TEST_DATA) or not path.exists():
            pytest.skip(
                f"{name} must be in the folder that {TEST_DATA} names: it is {REAL_DATA[name]} "
                "(tests/README.md)"
            )
        return path

    return found


@pytest.fixture(scope="session")
def inception(real_data: Callable[[str], Path]) -> Path:
    """A state dict of torch-fidelity's Inception; tests ask for no layer above 768."""
    return real_data("inception.pth")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server; tests make databases of their own in it."""
    pytest.importorskip("psycopg", reason="needs the extra `postgres`")
    if postgres_programs() is None:
        pytest.skip("needs PostgreSQL's programs: apt-get install postgresql")
    with running_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Server) -> str:
    """The address of an empty database, with a password."""
    return postgres.new_database()

"""Fixtures that tests of more than one folder need."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# The tests' tensors are small, and threads that wait for each other cost more than they bring.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell without job control starts background commands deaf to Ctrl-C, which tests send.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder `shared` beside the repository; tests that need its data skip without it."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"{folder} with real data is not there")
    return folder


@pytest.fixture(scope="session")
def weights768(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict of Inception up to layer 768."""
    path = tmp_path_factory.mktemp("inception") / "inception768.pth"
    tool = shared_folder / "tools" / "make_inception768.py"
    subprocess.run([sys.executable, str(tool), str(path)], check=True)
    return path

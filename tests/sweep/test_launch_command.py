"""`sweep.py run --launcher` with real stages: Ctrl-C in a terminal, and on to the end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
import slurm

from ncsn.config.params import SweepParams
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.study import load_study, tally

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
AXIS = {"type": "float", "low": 1e-5, "high": 1e-4, "log": True}
STUDY = {
    "purpose": "p",
    "objectives": {"eval/fid": "minimize"},
    "scientific": ["sampler.epsilon"],
    "space": {"sampler.epsilon": AXIS},
    "sampler": {"name": "random"},
    "sizes": {"digits": {"preset": "digits", "budget": {"trials": 3, "hours": 1, "confirm": 0}}},
}


@contextmanager
def _ray():
    """Ray on this host alone, as without an address."""
    folder = tempfile.mkdtemp(prefix="ray")  # not pytest's: sockets need a short path
    token = "of the tests' own, since Ray would write one to the home"
    loopback = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_worker_niceness": "0"}
    yield {"RAY_TMPDIR": folder, "RAY_AUTH_TOKEN": token, **loopback}
    shutil.rmtree(folder)


@contextmanager
def _slurm():
    if reason := slurm.missing():
        pytest.skip(reason)
    with slurm.running_slurm() as conf:
        yield {"SLURM_CONF": str(conf)}


ENGINES = {"ray": ("ray", _ray), "slurm": ("submitit", _slurm)}


@pytest.fixture(params=ENGINES)
def command(request, project, git, monkeypatch):
    """Starts `run` with a launcher, as the first process of a terminal."""
    package, engine = ENGINES[request.param]
    if find_spec(package) is None:
        pytest.skip(f"the extra `{request.param}` is not installed")
    shutil.copy(ROOT / "pipeline" / "sweep.py", project / "pipeline")
    (project / "studies").mkdir()
    (project / "studies" / "mine.yaml").write_text(json.dumps(STUDY))
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "study")
    words = ["run", "mine", "--launcher", request.param, "--workers", "2", "--no-tracking"]
    with engine() as environment:
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield lambda: subprocess.Popen(
            [sys.executable, "pipeline/sweep.py", *words],
            cwd=project,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def _trials(project):
    params = SweepParams(
        storage="sqlite:///sweeps.db", heartbeat_sec=10, grace_sec=60, max_retry=1
    )
    return tally(load_study(open_storage(params, project), "mine-digits").trials)


def test_ctrl_c_in_a_terminal_and_the_same_command_again(command, project, runs, monkeypatch):
    monkeypatch.setenv("TEST_STEP_SEC", "0.2")
    begun = command()
    deadline = time.monotonic() + 300
    while "train_from_0" not in "".join(runs()):
        assert begun.poll() is None and time.monotonic() < deadline, begun.communicate()[0]
        time.sleep(0.2)
    os.killpg(begun.pid, signal.SIGINT)
    said, _ = begun.communicate(timeout=120)
    assert begun.returncode == 130 and "Traceback" not in said, said
    now = _trials(project)
    assert len(now.retries) >= 1 and not now.running and not now.ended
    monkeypatch.setenv("TEST_STEP_SEC", "0")
    again = command()
    said, _ = again.communicate(timeout=400)
    assert again.returncode == 0, said
    assert len(_trials(project).ended) == 3
    assert said.splitlines()[-1] == "report: python pipeline/sweep.py report mine --size digits"
    assert "notice: SQLite serves workers of one host" in said

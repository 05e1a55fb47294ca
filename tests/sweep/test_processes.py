"""Several processes, and what is left when one of them is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uses prctl")

WORKER = """
import sys
from pathlib import Path
from ncsn.sweep.trials.configuration import reproduce_configuration
from ncsn.sweep.trials.workspace import open_workspace

workspace = open_workspace(Path(sys.argv[1]), int(sys.argv[2]), allow_dirty=False)
values = {"train.num_steps": 15, "sampler.epsilon": float(sys.argv[3])}
outcome = reproduce_configuration(workspace, values)
print(" ".join(stage.status for stage in outcome.stages))
"""


@pytest.fixture
def start(project, monkeypatch):
    """Starts a worker; none outlives the test."""
    monkeypatch.setenv("TEST_STEP_SEC", "0.1")
    started = []

    def begin(number, epsilon=1.0, **options):
        command = [sys.executable, "-c", WORKER, str(project), str(number), str(epsilon)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def pid_of_training(project):
    """Waits until a training has saved its first step; returns its process id."""
    shared = project / ".work" / "sweep" / "shared"

    def wait():
        runs = Path(os.environ["TEST_RUNS"])
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            lines = runs.read_text().splitlines() if runs.exists() else []
            pids = [int(line.split()[1]) for line in lines if line.startswith("train_from")]
            if pids and list(shared.glob("train-*/step")):
                return pids[-1]
            time.sleep(0.05)
        raise AssertionError("no training began")

    return wait


def test_two_workers_train_equal_params_once(start, runs):
    first, second = start(0, 1.0), start(1, 2.0)
    hows = {first.communicate(timeout=60)[0].strip(), second.communicate(timeout=60)[0].strip()}
    ran = runs()
    assert ran.count("train") == ran.count("prepare") == 1
    assert ran.count("sample") == 2
    assert sum("cached" in how.split()[1] for how in hows) == 1


def test_a_killed_worker_takes_its_stage_with_it_and_the_next_goes_on(
    start, runs, pid_of_training
):
    worker = start(0)
    pid = pid_of_training()
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert _gone(pid)
    runs()
    assert start(0).communicate(timeout=60)[0].split() == ["cached", "ran", "ran", "ran"]
    assert _resumed_from(runs()) > 0  # in the killed one's workspace, whose locks are free


def test_a_killed_stage_is_an_error_with_its_signal_and_goes_on_later(
    start, runs, pid_of_training
):
    worker = start(0, stderr=subprocess.PIPE)
    os.kill(pid_of_training(), signal.SIGKILL)
    _, errors = worker.communicate(timeout=60)
    assert worker.returncode and "train failed (signal 9)" in errors
    assert "dulwich" not in errors
    runs()
    start(0).communicate(timeout=60)
    assert _resumed_from(runs()) > 0


def test_a_killed_driver_leaves_nobody_behind(project, start, pid_of_training, monkeypatch):
    monkeypatch.setenv("TEST_STEP_SEC", "0.1")
    worker = (
        "from ncsn.base.entry import die_with_parent\nimport os\ndie_with_parent(os.getppid())\n"
    )
    driver = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {worker + WORKER!r}, {str(project)!r}, "0", "1.0"])
"""
    with subprocess.Popen([sys.executable, "-c", driver]) as process:
        pid = pid_of_training()
        process.kill()
    assert _gone(pid)


def test_ctrl_c_ends_the_stage_and_leaves_its_work(project, start, pid_of_training):
    worker = start(0, stderr=subprocess.PIPE)
    pid = pid_of_training()
    worker.send_signal(signal.SIGINT)
    _, errors = worker.communicate(timeout=30)
    assert _gone(pid) and "KeyboardInterrupt" in errors
    assert list((project / ".work" / "sweep" / "shared").glob("train-*/train_log.jsonl"))


def _resumed_from(ran):
    (begin,) = [run for run in ran if run.startswith("train_from_")]
    return int(begin.removeprefix("train_from_"))


def _gone(pid):
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False

"""Launchers: what they refuse, and the process by which each host has its worker."""

import os
import re
import runpy
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from absent import run_without

from ncsn.base.errors import UserError
from ncsn.sweep.launch.launcher import Room, open_launcher
from ncsn.sweep.launch.process import WorkerProcess, threads

ROOT = Path(__file__).parents[2]
OPEN = """
from pathlib import Path
from ncsn.base.entry import entry
from ncsn.sweep.launch.launcher import Room, open_launcher
entry(lambda: str(open_launcher("{name}", Path("."), 2, Room())))
"""
# Writes a line as it starts; ends well from its third start on, and dies before.
MORTAL = """
import os, signal, sys
print("start", flush=True)
if open(sys.argv[1]).read().count("start") < 3: os.kill(os.getpid(), signal.SIGKILL)
"""
# Says so when it is asked to end, as a worker that puts its trial back.
PATIENT = """
import signal, sys, time
def end(number, frame):
    print("put back", flush=True)
    sys.exit(130)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--launcher", "slrum"], "argument --launcher: invalid choice: 'slrum'"),
        (["--gpus-per-worker", "-1"], "--gpus-per-worker: value '-1': must be a whole number"),
        (["--gpus-per-worker", "1.5"], "--gpus-per-worker: value '1.5': must be a whole number"),
        (["--gpus-per-worker", "nan"], "--gpus-per-worker: value 'nan': must be a whole number"),
        (["--cpus-per-worker", "0"], "--cpus-per-worker: value '0': must be a whole number"),
        (["--slurm", "partition"], "argument --slurm: value 'partition': must be KEY=VALUE"),
        (["--slurm", "=gpu"], "argument --slurm: value '=gpu': must be KEY=VALUE"),
    ],
)
def test_a_value_that_no_launcher_takes_ends_the_run_before_it_begins(
    words, message, capsys, monkeypatch
):
    monkeypatch.setattr(sys, "argv", ["sweep.py", "run", "epsilon", *words])
    with pytest.raises(SystemExit) as ending:
        runpy.run_path(str(ROOT / "pipeline" / "sweep.py"), run_name="__main__")
    assert ending.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "room", "message"),
    [
        ("local", Room(gpus=1), "--gpus-per-worker (value 1): is for --launcher ray or slurm"),
        ("local", Room(cpus=2), "--cpus-per-worker (value 2): is for --launcher ray or slurm"),
        ("local", Room(slurm={"time": "1"}), "--slurm: is for --launcher slurm"),
        ("ray", Room(slurm={"time": "1"}), "--slurm: is for --launcher slurm"),
    ],
)
def test_an_option_of_another_launcher_is_refused(name, room, message):
    with pytest.raises(UserError, match=re.escape(message)):
        open_launcher(name, ROOT, 2, room)


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_missing_package_is_one_line_that_names_the_extra(name, package, tmp_path):
    done = run_without({package}, OPEN.format(name=name), tmp_path)
    need = f"error: --launcher {name} needs the package {package}, which is not installed; run: "
    assert done.returncode == 2 and done.stderr.startswith(need)
    assert done.stderr.endswith(f"--editable '.[{name}]'\n") and done.stderr.count("\n") == 1


def _worker(folder: Path, code: str, *words: str) -> WorkerProcess:
    command = [sys.executable, "-c", code, *words]
    return WorkerProcess(command, folder, {**threads(1), **os.environ}, folder / "log")


@pytest.mark.parametrize(("max_retry", "starts", "status"), [(2, 3, 0), (1, 2, -signal.SIGKILL)])
def test_a_worker_that_is_killed_is_started_again_so_often(tmp_path, max_retry, starts, status):
    worker = _worker(tmp_path, MORTAL, str(tmp_path / "log"))
    assert worker.stand_by(max_retry) == status
    assert (tmp_path / "log").read_text().count("start") == starts


def test_an_interruption_lets_the_worker_put_its_trial_back(tmp_path):
    worker, log = _worker(tmp_path, PATIENT), tmp_path / "log"

    def interrupt():
        while log.read_text() != "ready\n":
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        worker.stand_by(2)
    thread.join()
    assert log.read_text() == "ready\nput back\n"


def test_slurms_signal_to_all_processes_of_a_job_does_not_kill_the_worker(tmp_path):
    code = "import os, signal; os.kill(os.getpid(), signal.SIGUSR2); print('alive')"
    assert _worker(tmp_path, code).stand_by(0) == 0
    assert (tmp_path / "log").read_text() == "alive\n"


def test_each_worker_has_as_many_threads_as_cores(tmp_path):
    environment = {**threads(3), "PATH": os.environ["PATH"]}
    code = "import os; print(os.environ['OMP_NUM_THREADS'])"
    command = [sys.executable, "-c", code]
    assert WorkerProcess(command, tmp_path, environment, tmp_path / "log").stand_by(0) == 0
    assert (tmp_path / "log").read_text() == "3\n"

"""`make repro`: what it says, and without git until git has come."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("make"), reason="no make")]


@pytest.fixture
def download(settled, write_project):
    """The small project as a ZIP file has it, with an environment that is ready."""
    main = settled / "my #1 Müller's"
    write_project(main)
    shutil.copy(ROOT / "Makefile", main)
    shutil.copy(ROOT / "pipeline" / "repro.py", main / "pipeline")
    programs = main / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "dvc"):
        program = Path(sys.executable).parent / name
        (programs / name).write_text(f'#!/bin/sh\nexec "{program}" "$@"\n')
        (programs / name).chmod(0o755)
    for name in ("pyproject.toml", "constraints.txt", ".venv/.installed"):
        (main / name).touch()
    return main


def _make(main: Path) -> str:
    done = subprocess.run(["make", "repro"], cwd=main, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_says_which_stage_runs_and_ends_with_what_came_out(download):
    first = _make(download)
    assert "stage 1 of 4: prepare\n" in first
    assert "\nFID 0.01\n  page     reports/index.html\n" in first
    assert "\nFID 0.01\n" in _make(download), "also when nothing had to run"
    params = download / "params.yaml"
    params.write_text(params.read_text().replace("epsilon: 1.0e-04", "epsilon: 2.0e-04"))
    third = _make(download)
    assert "stage 3 of 4: sample; it and all that is left took" in third
    assert "\nFID 0.02\n" in third


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_ends_dvc_and_the_stage_that_runs(download, runs, monkeypatch, number):
    monkeypatch.setenv("TEST_STEP_SEC", "5")
    command = [sys.executable, "pipeline/repro.py"]
    with subprocess.Popen(command, cwd=download, stdout=subprocess.DEVNULL) as repro:
        counted = Path(os.environ["TEST_RUNS"])
        wait_for(lambda: counted.exists() and "train_from" in counted.read_text())
        stage = int(counted.read_text().split()[-1])
        repro.send_signal(number)
        assert repro.wait(30) != 0
    wait_for(lambda: not Path(f"/proc/{stage}").exists())


def wait_for(what: Callable[[], bool], seconds: float = 30) -> None:
    """Waits until something holds, and fails where it does not in time."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_half_a_list_of_locks_is_no_obstacle_and_a_whole_one_stays(download):
    locks = download / ".dvc" / "tmp" / "rwlock"
    locks.parent.mkdir()
    locks.write_text('{"a file": {"read"')
    _make(download)
    assert json.loads(locks.read_text()) == {}


def test_a_failing_stage_gives_its_status_and_no_headline(download):
    (download / "pipeline" / "evaluate.py").write_text("raise SystemExit(7)")
    done = subprocess.run(["make", "repro"], cwd=download, capture_output=True, text=True)
    assert done.returncode != 0 and "stage 4 of 4: evaluate" in done.stdout
    assert "FID" not in done.stdout


def test_it_runs_without_git_and_forgets_that_when_git_comes(download, runs, git):
    config, local = download / ".dvc" / "config", download / ".dvc" / "config.local"
    before = config.read_bytes()
    _make(download)
    assert runs()[-1] == "evaluate"
    assert "no_scm = true" in local.read_text()
    _make(download)
    git(download.parent, "init", "--quiet")  # the repository may be a larger one
    local.write_text("[cache]\n    shared = group\n" + local.read_text())
    _make(download)
    assert "no_scm" not in local.read_text() and "shared = group" in local.read_text()
    assert runs() == [] and config.read_bytes() == before

"""Killed at random moments, `dvc repro` goes on and ends in the bytes of a run left in peace.

A run is killed again and again until it ends; then another begins from nothing, until there were
enough kills. SIGKILL and SIGTERM meet DVC alone, whose death ends the stage too; Ctrl-C meets all
processes of the terminal, as a shell sends it.
"""

import collections
import hashlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from tiny import environment, output_of, tiny_project

KILLS = 40
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
LONGEST = 0.35  # of the time of a whole run: some eight kills on the way through all stages
RUN = ("reports/mlflow_run.json", "reports/run.js")  # name a run, another in each store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]


def _contents(project: Path) -> dict[str, str]:
    files = [path for top in ("artifacts", "reports") for path in (project / top).rglob("*")]
    named = {str(path.relative_to(project)): path for path in files if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in named.items()
        if name not in RUN
    }


def _processes_in(folder: Path) -> list[str]:
    """Command lines of the processes that work in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(process / "cwd")).is_relative_to(folder):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def _killed(project: Path, seconds: float, number: signal.Signals, log: Path) -> str | None:
    """Runs `dvc repro` and kills it; returns the stage that was met, None where it had ended."""
    _remove_empty_locks(project)
    with (
        log.open("w") as output,
        subprocess.Popen(
            ["dvc", "repro"],
            cwd=project,
            env=environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            if number == signal.SIGINT:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
            process.wait(60)
            stages = [line for line in log.read_text().splitlines() if "Running stage" in line]
            return stages[-1].split("'")[1] if stages else "before the first stage"
    assert process.returncode == 0, log.read_text()
    return None


def _remove_empty_locks(project: Path) -> None:
    """As `make repro` does: DVC killed while it writes this list refuses it from then on."""
    locks = project / ".dvc" / "tmp" / "rwlock"
    if locks.exists() and locks.stat().st_size == 0:
        locks.unlink()


def _begin_anew(project: Path) -> None:
    """Leaves the project as before its first run, but for MLflow's store."""
    for name in ("artifacts", "reports", ".work", ".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(project / name, ignore_errors=True)
    (project / "reports").mkdir()
    (project / "dvc.lock").unlink(missing_ok=True)


def test_killed_at_random_moments_it_ends_in_the_same_bytes(tmp_path: Path) -> None:
    whole, project = (tiny_project(tmp_path / name) for name in ("whole", "killed"))
    begin = time.monotonic()
    output_of(whole, "dvc", "repro")
    longest = LONGEST * (time.monotonic() - begin)
    expected = _contents(whole)
    assert len(expected) > 30
    chance = random.Random(20)
    met: collections.Counter[str] = collections.Counter()
    while met.total() < KILLS:
        seconds, number = chance.uniform(0.3, longest), SIGNALS[met.total() % len(SIGNALS)]
        stage = _killed(project, seconds, number, tmp_path / "log")
        if stage is None:
            assert _contents(project) == expected
            _begin_anew(project)
            continue
        met[stage] += 1
        begin = time.monotonic()
        while left := _processes_in(project):
            # live tracking sends its last lines and marks the run as killed
            seconds = 90 if all("ncsn.tracking.follow" in command for command in left) else 10
            assert time.monotonic() < begin + seconds, left
            time.sleep(0.1)
    _remove_empty_locks(project)
    output_of(project, "dvc", "repro")
    assert _contents(project) == expected
    assert list((project / ".work").rglob("*.part")) == []
    with sqlite3.connect(project / "mlflow.db") as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    connection.close()
    print(dict(met))  # of which stages, for docs/reliability.md

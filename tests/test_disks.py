"""Disks that are full or read-only: one line and its status, nothing that existed is lost.

A small file system in memory is filled until so many bytes are left; a stage then fails at another
moment for each number. With room again it gives the bytes that it always gives.
"""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import TINY

from ncsn.base.entry import MISTAKE, NO_ROOM
from ncsn.config.preset import write_values
from ncsn.tracking.live import SWITCH

ROOT = Path(__file__).parents[1]
FEW = TINY | {
    "base.checkpoint_every_sec": 0.01,
    "data.num_train": 100,
    "data.num_test": 40,
    "train.num_steps": 6,
    "train.log_every_steps": 2,
    "train.validate_every_steps": 3,
    "train.preview_every_steps": 3,
    "sample.block_size": 10,
}
STAGES = {
    "prepare": ["artifacts/data/train.npz", "artifacts/data/test.npz"],
    "train": ["artifacts/train/checkpoint.pt", "artifacts/train/train_log.jsonl"],
    "sample": ["artifacts/sample/samples.npz", "artifacts/sample/trajectory.npz"],
}
_SIZE = 24 * 2**20

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def _stage(project: Path, name: str) -> subprocess.CompletedProcess[str]:
    switches = {"PYTHONDONTWRITEBYTECODE": "1", SWITCH: "0"}  # MLflow is no part of a stage's outs
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), **switches}
    command = [sys.executable, f"pipeline/{name}.py"]
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True)


def _mount(*words: str) -> bool:
    return subprocess.run(["mount", *words], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A tiny project in which the stages have run."""
    folder = tmp_path_factory.mktemp("ready")
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    for name in ("src", "pipeline"):
        (folder / name).symlink_to(ROOT / name)
    write_values(FEW, folder / "params.yaml")
    for name in ("source", "prepare", "noise", "train", "sample"):
        done = _stage(folder, name)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def disk(ready, tmp_path):
    """That project on a small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    if not _mount("-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(place)):
        pytest.skip("a file system cannot be mounted here; root may")
    try:
        shutil.copytree(ready, place / "project", symlinks=True)
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _fill(disk: Path, left: int) -> None:
    state = os.statvfs(disk)
    with open(disk / "filler", "wb") as file:
        file.write(b"\0" * max(0, state.f_bavail * state.f_frsize - left))


def _contents(project: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(project)): path.read_bytes()
        for path in project.rglob("*")
        if path.is_file() and ".work" not in path.parts
    }


def _refused(done: subprocess.CompletedProcess[str], told: str, status: int = MISTAKE) -> None:
    lines = [line for line in done.stderr.replace("\r", "\n").splitlines() if "error:" in line]
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    assert len(lines) == 1 and told in lines[0], done.stderr


@pytest.mark.parametrize("name", STAGES)
def test_a_full_disk_costs_nothing_but_the_time(ready, disk, name):
    project, draws, failed = disk / "project", random.Random(name), 0
    for left in [4096, *(draws.randrange(4096, 200_000) for _ in range(2))]:
        shutil.rmtree(project / ".work", ignore_errors=True)
        before = _contents(project)
        _fill(disk, left)
        done = _stage(project, name)
        after = _contents(project)
        if done.returncode:
            failed += 1
            told = "the disk is full; free some space and run the same command again"
            _refused(done, told, NO_ROOM)
            assert set(after) == set(before)
            for path in STAGES[name]:  # each the old one or the new one, which are equal
                assert after[path] == before[path]
        (disk / "filler").unlink()
        assert _stage(project, name).returncode == 0
        for path in STAGES[name]:
            assert (project / path).read_bytes() == (ready / path).read_bytes()
    assert failed


@pytest.mark.parametrize("name", STAGES)
def test_a_disk_for_reading_only(disk, name):
    assert _mount("-o", "remount,ro", str(disk))
    _refused(_stage(disk / "project", name), "the disk is mounted for reading only")


def test_too_few_open_files(ready, tmp_path):
    code = (
        "import resource, runpy, sys; import ncsn.train.loop\n"
        "from ncsn.base.entry import entry\n"
        "def main():\n"
        "    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "    open('params.yaml')\n"
        "entry(main)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ready, env=env, capture_output=True, text=True
    )
    _refused(done, "params.yaml: too many open files; allow more with `ulimit -n 4096`")

"""The real stages with base.devices above 1, and under torchrun as two hosts would start them."""

import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny import environment, tiny_project

from ncsn.config.preset import write_values
from ncsn.train.checkpoint import load_checkpoint

FEW = {"train.num_steps": 30, "train.preview_every_steps": 30, "base.checkpoint_every_sec": 0.1}
CHECKPOINT = "artifacts/train/checkpoint.pt"
IMAGES = ("artifacts/sample/samples.npz", "artifacts/sample/trajectory.npz")
EXACT = ("artifacts/oracle/samples.npz", "artifacts/oracle/summary.json", "reports/oracle.json")
# Of weights up to 1.1, which two processes left 7e-7 from those of one after 12 steps.
TOLERANCE = 1e-3

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def _started(project: Path, stage: str, devices: int, *before: str) -> "subprocess.Popen[str]":
    write_values({"base.devices": devices}, project / "params.yaml")
    return subprocess.Popen(
        [sys.executable, *before, f"pipeline/{stage}.py"],
        cwd=project,
        env=environment() | {"NCSN_LIVE": "0"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(project: Path, stage: str, devices: int = 1) -> str:
    process = _started(project, stage, devices)
    output, error = process.communicate()
    assert process.returncode == 0, error
    assert output.count("\n") == 1, output
    return error


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose stages ran in one process each."""
    project = tiny_project(tmp_path_factory.mktemp("devices") / "alone")
    write_values(FEW, project / "params.yaml")
    for stage in ("prepare", "reference", "noise", "train", "sample", "oracle"):
        _run(project, stage)
    return project


@pytest.fixture
def project(alone: Path, tmp_path: Path) -> Path:
    """A copy of it, whose outs are there."""
    return Path(shutil.copytree(alone, tmp_path / "several"))


def _distance(one: Path, two: Path) -> float:
    first, second = (load_checkpoint(project / CHECKPOINT) for project in (one, two))
    return max(float((first.ema[key] - second.ema[key]).abs().max()) for key in first.ema)


def test_a_killed_process_ends_the_training_which_goes_on_with_another_number(alone, project):
    (project / CHECKPOINT).unlink()
    process = _started(project, "train", 2)
    while not list(project.glob(".work/train-*/checkpoint.pt")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    subprocess.run(["kill", "-9", children[-1]], check=True)
    _, error = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert "error: process 1 of 2 was killed by SIGKILL" in error
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    (work,) = project.glob(".work/train-*")
    assert 0 < load_checkpoint(work / "checkpoint.pt").step < FEW["train.num_steps"]
    _run(project, "train", 3)
    assert 0 < _distance(alone, project) < TOLERANCE
    assert not list(project.glob(".work/train-*"))


@pytest.mark.parametrize("devices", [2, 3])
def test_images_have_the_bytes_of_one_process(alone, project, devices):
    for name in IMAGES + EXACT:
        (project / name).unlink()
    for stage in ("sample", "oracle"):
        _run(project, stage, devices)
    for name in IMAGES + EXACT:
        assert (project / name).read_bytes() == (alone / name).read_bytes(), name


def test_two_hosts_of_torchrun_draw_together(alone, project):
    """Two agents on this machine, in one folder; whatever base.devices says."""
    for name in IMAGES:
        (project / name).unlink()
    with socket.socket() as found:
        found.bind(("localhost", 0))
        port = found.getsockname()[1]
    torchrun = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    torchrun += ["--rdzv-backend", "c10d", "--rdzv-endpoint", f"localhost:{port}"]
    torchrun += ["--rdzv-id", "test", "--max-restarts", "0", "--local-ranks-filter", "0"]
    hosts = [_started(project, "sample", 5, *torchrun) for _ in range(2)]
    said = [host.communicate(timeout=600) for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], said
    assert "".join(output for output, _ in said).count("40 images") == 1
    for name in IMAGES:
        assert (project / name).read_bytes() == (alone / name).read_bytes(), name


def test_a_users_mistake_in_a_stage_is_one_line(project):
    (project / "artifacts/train/checkpoint.pt").unlink()
    process = _started(project, "sample", 2)
    output, error = process.communicate()
    assert (process.returncode, output) == (2, "")
    assert error.startswith("error: artifacts/train/checkpoint.pt") and error.count("\n") == 1

"""The command line of pipeline/sweep.py, as a user meets it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path):
    """A folder with params.yaml and studies, and no database yet."""
    for name in ("params.yaml", "dvc.yaml", "studies", "src", "pipeline"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def _sweep(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "pipeline/sweep.py", *words]
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True)


def test_list_says_what_there_is(project):
    done = _sweep(project, "list")
    assert done.returncode == 0
    assert (
        "epsilon (digits, mnist_cpu, cifar10, cifar10_exact): How far FID depends on the step size"
        in done.stdout
    )


def test_a_study_that_has_not_run_is_one_line_without_traceback(project):
    done = _sweep(project, "status", "epsilon", "--model", "oracle")
    assert done.returncode == 2
    assert done.stderr == (
        "error: no study 'epsilon-digits-oracle' has been run; there are none\n"
    )


@pytest.mark.parametrize(
    "setting, message",
    [
        ("data.path", "argument --set: value 'data.path': must be KEY=VALUE"),
        ("=1", "argument --set: value '=1': must be KEY=VALUE"),
        ("data.root={", "argument --set: data.root is not valid YAML"),
        ("data.num_tain=3", "error: --set data.num_tain: params.yaml has no key"),
    ],
)
def test_a_setting_that_does_not_fit_ends_the_run_before_it_begins(project, setting, message):
    done = _sweep(project, "run", "epsilon", "--set", setting)
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr

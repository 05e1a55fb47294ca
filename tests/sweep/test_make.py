"""`make repro` in a download without git, and after git has come."""

import shutil
import subprocess
import sys
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
    programs = main / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("python", "dvc"):
        program = Path(sys.executable).parent / name
        (programs / name).write_text(f'#!/bin/sh\nexec "{program}" "$@"\n')
        (programs / name).chmod(0o755)
    for name in ("pyproject.toml", "constraints.txt", ".venv/.installed"):
        (main / name).touch()
    return main


def _make(main: Path) -> None:
    done = subprocess.run(["make", "repro"], cwd=main, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


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

"""Where a project may lie: strange names, larger repositories, every kind of checkout."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ncsn.errors import UserError
from ncsn.sweep.after import apply_trial, save_experiments
from ncsn.sweep.configuration import reproduce_configuration
from ncsn.sweep.workspace import checked_source, open_workspace

sys.path.append(str(Path(__file__).parent))

from conftest import commit_all, git, write_project  # noqa: E402

VALUES = {"train.num_steps": 3, "sampler.epsilon": 1.0}
NAMES = {
    "umlaut": "Müllers Läufe",
    "no latin letter": "実験",
    "quotes": "it's \"mine\"",
    "percent": "100%(here)s %20",
    "hash": "run #3; a=b, c",
    "dollar": "$HOME ${x} `y` \\n",
    "brackets": "[core] {a} (b) & *",
    "newline": "two\nlines",
    "question": "why?",
    "dash": "-rf",
    "long": "/".join(["n" * 200] * 8),
}


def _trial(main: Path, *, allow_dirty: bool = False) -> float:
    """Runs one configuration as a study does; returns its FID."""
    checked_source(main, allow_dirty=allow_dirty)
    workspace = open_workspace(main, 0, allow_dirty=allow_dirty)
    outcome = reproduce_configuration(workspace, VALUES)
    assert {stage.how for stage in outcome.stages} <= {"ran", "cached", "unchanged"}
    workspace.claim.release()
    return outcome.metrics["eval/fid"]


def _dvc(main: Path, *words: str) -> str:
    command = [sys.executable, "-m", "dvc", *words]
    done = subprocess.run(command, cwd=main, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_trials_run_in_folders_of_any_name(settled, name):
    main = settled / name
    write_project(main)
    commit_all(main)
    assert _trial(main) == 100
    assert save_experiments(main, {"one": VALUES}) == ["one"]


def test_monorepo(settled, runs):
    main = settled / "whole" / "teams" / "image modèles"
    write_project(main)
    (settled / "whole" / "other.txt").write_text("")
    commit_all(settled / "whole")
    assert _trial(main) == 100
    (settled / "whole" / "other.txt").write_text("changed")
    assert save_experiments(main, {"one": VALUES}) == ["one"]
    runs()
    assert _trial(main) == 100
    assert runs() == []
    apply_trial(VALUES, main / "params.yaml")
    _dvc(main, "repro", "evaluate")
    assert runs() == []
    (main / "src" / "scale.py").write_text("SCALE = 7\n")
    with pytest.raises(UserError, match="src/scale.py"):
        checked_source(main, allow_dirty=False)
    assert _trial(main, allow_dirty=True) == 7
    print(_dvc(main, "exp", "show", "--csv"))

"""A study's best trials: applied without a run, saved as experiments."""

import json
import subprocess
import sys

import pytest

from ncsn.config.preset import write_values
from ncsn.sweep.results.winners import save_experiments
from ncsn.sweep.trials.configuration import reproduce_configuration
from ncsn.sweep.trials.workspace import open_workspace

VALUES = {"train.num_steps": 5, "sampler.epsilon": 2e-5}


def _dvc(main, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=main, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_after_apply_the_main_tree_runs_no_stage_and_keeps_its_comments(project, runs):
    workspace = open_workspace(project, 0, allow_dirty=False)
    outcome = reproduce_configuration(workspace, VALUES)
    runs()
    before = (project / "params.yaml").read_text()
    changes = write_values(VALUES, project / "params.yaml")
    assert "sampler.epsilon: 0.0001 -> 2e-05" in changes and len(changes) == 2
    after = (project / "params.yaml").read_text()
    assert after.count("#") == before.count("#")
    _dvc(project, "repro", "evaluate")
    assert runs() == []
    metrics = json.loads((project / "reports" / "metrics.json").read_text())
    assert metrics["eval/fid"] == outcome.metrics["eval/fid"] == pytest.approx(2e-3)


def test_saved_configurations_are_listed_by_dvc_exp_show(project, runs):
    workspace = open_workspace(project, 0, allow_dirty=False)
    rows = {f"epsilon-{e:g}": {**VALUES, "sampler.epsilon": e} for e in (1e-3, 2e-5)}
    for values in rows.values():
        reproduce_configuration(workspace, values)
    runs()
    del workspace
    assert save_experiments(project, rows) == list(rows)
    assert runs() == []
    table = _dvc(project, "exp", "show", "--csv")
    shown = [line for line in table.splitlines() if "epsilon-" in line]
    assert len(shown) == 2 and any("epsilon-2e-05" in line and "0.002" in line for line in shown)
    _dvc(project, "exp", "apply", "epsilon-2e-05")
    text = (project / "params.yaml").read_text()
    assert "epsilon: 2.0e-05" in text and "# Algorithm 1's" in text
    _dvc(project, "repro", "evaluate")
    assert runs() == []


def test_a_saved_trial_needs_no_outs_of_stages_beyond_it(project):
    with open(project / "dvc.yaml", "a") as file:
        file.write('  report: {cmd: "false", deps: ["${paths.metrics}"], outs: [reports/page]}\n')
    author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *author, "commit", "-qam", "report"], cwd=project, check=True)
    assert save_experiments(project, {"one": VALUES}) == ["one"]
    assert "one" in _dvc(project, "exp", "show", "--csv")

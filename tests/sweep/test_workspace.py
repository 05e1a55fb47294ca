"""The source of a workspace: HEAD, or exactly the working tree; one process each; one cache."""

import json
import os

import pytest

from ncsn.base.errors import UserError
from ncsn.config.preset import write_values
from ncsn.sweep.trials.configuration import reproduce_configuration
from ncsn.sweep.trials.workspace import checked_source, open_workspace

VALUES = {"train.num_steps": 3, "sampler.epsilon": 1.0}


def _change_everything(project):
    (project / "src" / "scale.py").write_text("from extra import SCALE\n")
    (project / "src" / "extra.py").write_text("SCALE = 7\n")
    (project / "pipeline" / "unused.py").unlink()


@pytest.fixture
def project(project, git):
    (project / "pipeline" / "unused.py").write_text("")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "one more")
    return project


def test_a_changed_tree_is_refused_with_the_list_of_its_files(project):
    checked_source(project, allow_dirty=False)
    for free in ("studies/mine.yaml", "reports/metrics.json", "notes/idea.txt"):
        (project / free).parent.mkdir(exist_ok=True)
        (project / free).write_text("")
    checked_source(project, allow_dirty=False)
    _change_everything(project)
    with pytest.raises(UserError) as error:
        checked_source(project, allow_dirty=False)
    listed = [line.strip() for line in str(error.value).splitlines()[1:-1]]
    assert listed == ["pipeline/unused.py", "src/extra.py", "src/scale.py"]
    checked_source(project, allow_dirty=True)


def test_values_that_every_trial_sets_may_differ(project):
    """`apply` writes them, and `confirm`, `save` and `run` come after it."""
    write_values({"sampler.epsilon": 3e-5}, project / "params.yaml")
    with pytest.raises(UserError, match=r"params\.yaml"):
        checked_source(project, allow_dirty=False)
    with pytest.raises(UserError, match=r"params\.yaml"):
        checked_source(project, allow_dirty=False, set_by_trials={"sampler.name"})
    checked_source(project, allow_dirty=False, set_by_trials={"sampler.epsilon", "train.seed"})
    (project / "src" / "scale.py").write_text("SCALE = 7\n")
    with pytest.raises(UserError) as error:
        checked_source(project, allow_dirty=False, set_by_trials={"sampler.epsilon"})
    assert "scale.py" in str(error.value) and "params.yaml" not in str(error.value)


def test_a_project_without_a_commit_is_refused(tmp_path):
    with pytest.raises(UserError, match="at least one commit"):
        checked_source(tmp_path, allow_dirty=True)


def test_dirty_trials_run_exactly_the_working_tree_and_clean_ones_head(project, git):
    _change_everything(project)
    before = git(project, "status", "--porcelain")
    dirty = open_workspace(project, 0, allow_dirty=True)
    assert not (dirty.root / "pipeline" / "unused.py").exists()
    assert reproduce_configuration(dirty, VALUES).metrics["eval/fid"] == 7
    clean = open_workspace(project, 1, allow_dirty=False)
    assert (clean.root / "pipeline" / "unused.py").exists()
    assert reproduce_configuration(clean, VALUES).metrics["eval/fid"] == 100
    assert git(project, "status", "--porcelain") == before


def test_an_old_workspace_is_brought_to_the_source(project, git):
    _change_everything(project)
    workspace = open_workspace(project, 0, allow_dirty=True)
    assert reproduce_configuration(workspace, VALUES).metrics["eval/fid"] == 7
    root = workspace.root
    workspace.claim.release()
    back = open_workspace(project, 0, allow_dirty=False)
    assert back.root == root and not (root / "src" / "extra.py").exists()
    assert reproduce_configuration(back, VALUES).metrics["eval/fid"] == 100
    back.claim.release()
    (project / "src" / "scale.py").write_text("SCALE = 5\n")
    git(project, "commit", "--quiet", "-m", "five", "src/scale.py")
    newer = open_workspace(project, 0, allow_dirty=False)
    assert reproduce_configuration(newer, VALUES).metrics["eval/fid"] == 5


def test_two_processes_never_share_a_workspace(project):
    first = open_workspace(project, 0, allow_dirty=False)
    second = open_workspace(project, 0, allow_dirty=False)
    assert first.root.name == "worker-0" and second.root.name == "worker-1"


def test_paths_that_a_killed_worker_held_are_free_though_its_number_is_taken_again(project):
    workspace = open_workspace(project, 0, allow_dirty=False)
    held = {"pid": os.getppid(), "cmd": "a worker that was killed; another process has its number"}
    locks = {"read": {}, "write": {str(workspace.root / "artifacts/data/train.npz"): held}}
    (workspace.root / ".dvc" / "tmp" / "rwlock").write_text(json.dumps(locks))
    workspace.claim.release()
    again = open_workspace(project, 0, allow_dirty=False)
    assert reproduce_configuration(again, VALUES).metrics["eval/fid"] == 100


def test_workspaces_share_results_metrics_too(project, runs):
    first = open_workspace(project, 0, allow_dirty=False)
    metrics = reproduce_configuration(first, VALUES).metrics
    runs()
    second = open_workspace(project, 1, allow_dirty=False)
    outcome = reproduce_configuration(second, VALUES)
    assert outcome.metrics == metrics and runs() == []
    assert {stage.status for stage in outcome.stages} == {"cached"}

"""What is taken over of DVC still has its effect; without it trials are the same, only slower."""

import contextlib
import sys
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest

from ncsn.base.errors import Diverged
from ncsn.sweep.trials import dvc_repo, dvc_settings
from ncsn.sweep.trials.configuration import reproduce_configuration
from ncsn.sweep.trials.outcome import StageFailed
from ncsn.sweep.trials.workspace import open_workspace

FEW = {"train.num_steps": 5, "sampler.epsilon": 1e-4}


@pytest.fixture
def workspace(project):
    return open_workspace(project, 0, allow_dirty=False)


@contextlib.contextmanager
def _unknown_dvc() -> Iterator[None]:
    """The installed DVC under a number that is not known, and without its inside."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dvc_repo, "version", lambda name: "4.0.0")
        patch.setitem(sys.modules, "dvc.repo", None)
        dvc_repo._say_slow.cache_clear()
        yield


def test_the_installed_dvc_is_known():
    """Where this fails, look at dvc/stage/run.py of the new version before KNOWN is widened."""
    assert dvc_repo.is_known(version("dvc"))


@pytest.mark.parametrize("number", ["3.66.0", "3.68.0", "4.0.0", "2.58.2"])
def test_other_versions_are_not(number):
    assert not dvc_repo.is_known(number)


def test_a_dvc_whose_function_is_gone_or_takes_something_else_is_not_known(monkeypatch):
    monkeypatch.setattr("dvc.stage.run._run", lambda cmd, **kwargs: None)
    assert not dvc_repo.is_known(version("dvc"))
    monkeypatch.delattr("dvc.stage.run._run")
    assert not dvc_repo.is_known(version("dvc"))
    monkeypatch.undo()
    monkeypatch.delattr("dvc.stage.cache._get_stage_hash")
    assert not dvc_repo.is_known(version("dvc"))


def test_commands_of_stages_are_run_here_and_dvcs_own_function_comes_back(workspace, monkeypatch):
    def never(executable: str | None, cmd: str, **kwargs: Any) -> None:
        raise AssertionError("DVC ran the command itself")

    monkeypatch.setattr("dvc.stage.run._run", never)
    outcome = reproduce_configuration(workspace, FEW)
    assert {stage.status for stage in outcome.stages} == {"ran"}
    from dvc.stage import run

    assert run._run is never


def test_with_an_unknown_dvc_trials_come_out_the_same(project, runs, capsys):
    """By the command line alone: which stages ran, the cache, metrics, and one notice."""
    rows = (FEW, {**FEW, "sampler.epsilon": 2e-5}, FEW)
    with _unknown_dvc():
        workspace = open_workspace(project, 0, allow_dirty=False)
        slow = [reproduce_configuration(workspace, values) for values in rows]
    ran = [run for run in runs() if "from" not in run]
    assert ran == [*(stage.stage for stage in slow[0].stages), "sample", "evaluate"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("notice: DVC 4.0.0 is not known to work with sweeps")
    statuses = [[stage.status for stage in outcome.stages] for outcome in slow]
    same = ["unchanged", "unchanged"]
    assert statuses == [["ran"] * 4, [*same, "ran", "ran"], [*same, "cached", "cached"]]
    other = open_workspace(project, 1, allow_dirty=False)  # finds all that was computed
    for outcome, values in zip(slow, rows, strict=True):
        known = reproduce_configuration(other, values)
        assert known.metrics == outcome.metrics and known.train_key == outcome.train_key
    assert runs() == []


def test_with_an_unknown_dvc_divergence_and_failure_give_the_stages_own_words(project):
    told = r"^train failed \(exit status 2\): train.learning_rate: too large for this test$"
    with _unknown_dvc():
        workspace = open_workspace(project, 0, allow_dirty=False)
        with pytest.raises(Diverged, match="^train: training diverged by step 1: .*loss = nan$"):
            reproduce_configuration(workspace, {**FEW, "train.learning_rate": 11.0})
        with pytest.raises(StageFailed, match=told):
            reproduce_configuration(workspace, {**FEW, "train.learning_rate": 6.0})


def test_the_cache_is_where_the_project_has_it_with_every_dvc(project, git):
    (project / ".dvc" / "config.local").write_text(
        "[cache]\n    dir = ../../far\n    shared = group\n    type = copy\n"
    )
    folder, settings = dvc_settings._cache_of(project)
    assert folder.resolve() == project.parent / "far"
    assert settings == {"type": "copy", "shared": "group"}
    with _unknown_dvc():
        assert dvc_settings._cache_of(project) == (folder, settings)

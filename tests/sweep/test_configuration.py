"""A configuration through the DAG: what runs, what the cache gives, how rows and errors come."""

import time
from pathlib import Path

import pytest

from ncsn.base.errors import Diverged, UserError
from ncsn.sweep.trials import dvc_repo
from ncsn.sweep.trials.configuration import reproduce_configuration
from ncsn.sweep.trials.outcome import StageFailed, Stopped
from ncsn.sweep.trials.workspace import open_workspace

FEW = {"train.num_steps": 5, "sampler.epsilon": 1e-4}


@pytest.fixture(params=["known", pytest.param("unknown", marks=pytest.mark.slow)])
def workspace(project, request, monkeypatch):
    """In a process with the DVC that is known, and with one that is not and runs as a command."""
    if request.param == "unknown":
        monkeypatch.setattr(dvc_repo, "version", lambda name: "4.0.0")
    return open_workspace(project, 0, allow_dirty=False)


def _how(outcome):
    return {stage.stage: stage.status for stage in outcome.stages}


def test_says_which_stages_ran_came_from_the_cache_or_stood(workspace, runs):
    first = reproduce_configuration(workspace, FEW)
    assert set(_how(first).values()) == {"ran"}
    counted = {"num_samples": 3, "network_evaluations_per_image": 7, "flops_per_evaluation": 0}
    sampled = {f"sample/{key}": value for key, value in counted.items()}
    assert first.metrics == {"eval/fid": 0.01, **sampled}
    assert [run for run in runs() if "from" not in run] == [*_how(first)]
    second = reproduce_configuration(workspace, {**FEW, "sampler.epsilon": 2e-5})
    assert [*_how(second).values()] == ["unchanged", "unchanged", "ran", "ran"]
    assert second.metrics["eval/fid"] == pytest.approx(2e-3)
    assert second.train_key == first.train_key
    assert runs() == ["sample", "evaluate"]
    again = reproduce_configuration(workspace, FEW)
    assert [*_how(again).values()] == ["unchanged", "unchanged", "cached", "cached"]
    assert again.metrics == first.metrics and runs() == []


def test_rows_come_live_and_are_replayed_when_training_came_from_the_cache(workspace, monkeypatch):
    monkeypatch.setenv("TEST_STEP_SEC", "0.1")
    times, steps = [], []

    def on_row(row):
        times.append(time.monotonic())
        steps.append(row["step"])
        return False

    reproduce_configuration(workspace, FEW, on_row)
    assert steps == [1, 2, 3, 4, 5] and times[-1] - times[0] > 0.15
    reproduce_configuration(workspace, {**FEW, "sampler.epsilon": 3e-4}, on_row)
    assert steps == [1, 2, 3, 4, 5] * 2


def test_true_stops_the_training_and_its_work_is_taken_up_later(
    workspace, project, runs, monkeypatch
):
    monkeypatch.setenv("TEST_STEP_SEC", "0.1")
    values = {**FEW, "train.num_steps": 30}
    with pytest.raises(Stopped) as stopped:
        reproduce_configuration(workspace, values, lambda row: row["step"] == 3)
    assert stopped.value.row["step"] == 3
    assert runs() == ["prepare", "train", "train_from_0"]
    monkeypatch.setenv("TEST_STEP_SEC", "0")
    other = open_workspace(project, 1, allow_dirty=False)  # another worker, the same work
    steps = []
    outcome = reproduce_configuration(other, values, lambda row: steps.append(row["step"]))
    assert steps == list(range(1, 31))
    assert _how(outcome) == {
        "prepare": "cached",
        "train": "ran",
        "sample": "ran",
        "evaluate": "ran",
    }
    ran = runs()
    assert ran[1].startswith("train_from_") and int(ran[1].removeprefix("train_from_")) >= 3


def test_a_replayed_row_can_stop_before_anything_is_drawn(workspace, runs):
    reproduce_configuration(workspace, FEW)
    runs()
    with pytest.raises(Stopped):
        reproduce_configuration(workspace, {**FEW, "sampler.epsilon": 3e-4}, lambda row: True)
    assert runs() == []


def test_an_unknown_key_and_a_broken_rule_are_named_before_anything_runs(workspace, runs):
    with pytest.raises(UserError, match=r"sampler\.epsilonn: no such key.*sampler\.epsilon'"):
        reproduce_configuration(workspace, {"sampler.epsilonn": 1.0})
    with pytest.raises(UserError, match="noise.sigma_max .*larger than noise.sigma_min"):
        reproduce_configuration(workspace, {"noise.sigma_max": 0.001})
    assert runs() == []


def test_divergence_and_failure_give_the_stages_own_words(workspace):
    with pytest.raises(Diverged, match="train: training diverged by step 1: train/loss = nan"):
        reproduce_configuration(workspace, {**FEW, "train.learning_rate": 11.0})
    with pytest.raises(StageFailed, match=r"train failed \(exit status 2\): train.learning_rate"):
        reproduce_configuration(workspace, {**FEW, "train.learning_rate": 6.0})
    assert reproduce_configuration(workspace, FEW).metrics["eval/fid"] == 0.01


def test_the_callers_current_folder_is_its_own(workspace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    seen = []
    reproduce_configuration(workspace, FEW, lambda row: seen.append(Path.cwd()))
    assert set(seen) == {tmp_path} and Path.cwd() == tmp_path

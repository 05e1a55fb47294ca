"""A study's parent run and its children: states, lineage, repetition, many writers, links."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from ncsn.base.errors import UserError
from ncsn.base.trial_record import TrialRecord
from ncsn.config.params import TrackParams
from ncsn.tracking import retry, studies
from ncsn.tracking.kept_studies import rename_study_runs
from ncsn.tracking.reading import named_runs, read_store
from ncsn.tracking.studies import (
    StudyRun,
    close_study_run,
    open_study_run,
    publish_trial,
)
from ncsn.tracking.study_pages import children_filter, study_links

TRACK = TrackParams(uri="sqlite:///mlflow.db", artifact_root="art", experiment="e", log_model=True)
SPEC = {"purpose": "What epsilon does to FID.", "objectives": {"eval/fid": "minimize"}}
SPEC["space"] = {"sampler.epsilon": {"type": "float"}}


@pytest.fixture
def study(project: Path) -> StudyRun:
    return open_study_run(TRACK, "epsilon-digits", SPEC)


@pytest.fixture
def trial(project: Path) -> TrialRecord:
    return TrialRecord(
        number=0,
        state="complete",
        values={"sampler.epsilon": 2e-5, "model.name": "ncsn"},
        metrics={"eval/fid": 9.5, "eval/extractor": "classifier"},
        stages={"train": "ran", "sample": "ran"},
        seconds={"train": 3.0, "sample": 0.5},
        train_key="k1",
        worker="worker-0",
        started="2026-01-01T00:00:00+00:00",
        finished="2026-01-01T00:00:04+00:00",
        seeds=(1,),
        samples=project / "artifacts/sample/samples.npz",
        train_log=project / "artifacts/train/train_log.jsonl",
    )


def children(study: StudyRun) -> list:
    return study.store.client.search_runs([study.store.experiment_id], children_filter(study))


def test_a_child_has_params_metrics_stages_lineage_grid_and_curve(
    study: StudyRun, trial: TrialRecord
) -> None:
    run = study.store.client.get_run(publish_trial(study, trial))
    assert run.data.params == {"sampler.epsilon": "2e-05", "model.name": "ncsn"}
    assert run.data.metrics["eval/fid"] == 9.5 and run.data.metrics["seconds/train"] == 3.0
    tags = run.data.tags
    assert (tags["ncsn.stage.train"], tags["ncsn.train_key"]) == ("ran", "k1")
    assert tags["eval/extractor"] == "classifier"
    assert (tags["mlflow.parentRunId"], tags["ncsn.trial"]) == (study.run_id, "0")
    assert study.store.client.list_artifacts(run.info.run_id, "images")
    assert len(study.store.client.get_metric_history(run.info.run_id, "train/loss")) == 30
    assert run.info.end_time - run.info.start_time == 4000


def test_the_draws_of_a_trial_are_read_as_they_were_made(
    study: StudyRun, trial: TrialRecord
) -> None:
    several = dataclasses.replace(
        trial, by_seed={"eval/fid": [9.0, 9.5, 9.6, 9.9]}, seeds=(1, 2, 3, 4), train_seeds=(5, 6)
    )
    run_id = publish_trial(study, several)
    (found,) = named_runs(read_store(TRACK), run_id, 1)
    assert found.draws == {"eval/fid": [[9.0, 9.5], [9.6, 9.9]]}
    (one,) = named_runs(
        read_store(TRACK), publish_trial(study, dataclasses.replace(trial, number=1)), 1
    )
    assert one.draws == {}


@pytest.mark.parametrize(
    ("state", "status"), [("complete", "FINISHED"), ("pruned", "KILLED"), ("failed", "FAILED")]
)
def test_states_are_mapped_and_reasons_kept(study: StudyRun, state: str, status: str) -> None:
    trial = TrialRecord(1, "running", {"a.b": 1}, started="2026-01-01T00:00:00+00:00")
    run_id = publish_trial(study, trial)
    assert study.store.client.get_run(run_id).info.status == "RUNNING"
    ended = dataclasses.replace(trial, state=state, reason="loss is nan at step 40")
    assert publish_trial(study, ended) == run_id
    run = study.store.client.get_run(run_id)
    assert run.info.status == status
    assert run.data.tags["ncsn.reason"] == "loss is nan at step 40"


def test_publishing_again_changes_nothing(study: StudyRun, trial: TrialRecord) -> None:
    first = study.store.client.get_run(publish_trial(study, trial))
    assert publish_trial(study, trial) == first.info.run_id
    again = study.store.client.get_run(first.info.run_id)
    assert again.to_dictionary() == first.to_dictionary()
    assert len(children(study)) == 1


def test_a_publication_that_was_cut_off_is_completed(
    study: StudyRun, trial: TrialRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr(studies, "sample_grid", lambda images: (_ for _ in ()).throw(RuntimeError))
        publish_trial(study, trial)
    run_id = publish_trial(study, trial)
    history = study.store.client.get_metric_history(run_id, "train/loss")
    assert len(history) == 30 and len(children(study)) == 1
    assert len(study.store.client.list_artifacts(run_id, "images")) == 2  # MLflow adds a thumbnail


def test_the_parent_is_found_again_and_ends_with_the_study(study: StudyRun) -> None:
    (report := Path("index.html")).write_text("<p>")
    close_study_run(study, "FINISHED", {"trials": 3}, [report])
    run = study.store.client.get_run(study.run_id)
    assert run.info.status == "FINISHED" and run.data.metrics == {"trials": 3}
    assert run.data.tags["mlflow.note.content"] == SPEC["purpose"]
    again = open_study_run(TRACK, "epsilon-digits", SPEC)
    assert again.run_id == study.run_id
    assert again.store.client.get_run(again.run_id).info.status == "RUNNING"
    assert open_study_run(TRACK, "other", SPEC).run_id != study.run_id


def test_a_study_that_is_set_aside_keeps_its_runs_under_its_new_name(
    study: StudyRun, trial: TrialRecord, capsys: pytest.CaptureFixture[str]
) -> None:
    old = publish_trial(study, trial)
    rename_study_runs(TRACK, "epsilon-digits", "epsilon-digits.1")
    anew = open_study_run(TRACK, "epsilon-digits", SPEC)
    changed = dataclasses.replace(trial, values={"sampler.epsilon": 3e-5})
    new = publish_trial(anew, changed)
    assert anew.run_id != study.run_id and new != old
    kept, fresh = (study.store.client.get_run(run_id) for run_id in (old, new))
    assert kept.data.params["sampler.epsilon"] == "2e-05"
    assert fresh.data.params["sampler.epsilon"] == "3e-05"
    assert (kept.info.run_name, fresh.info.run_name) == ("epsilon-digits.1 0", "epsilon-digits 0")
    assert study.store.client.get_run(study.run_id).info.run_name == "epsilon-digits.1"
    assert [run.info.run_id for run in children(anew)] == [new]
    assert open_study_run(TRACK, "epsilon-digits.1", SPEC).run_id == study.run_id
    assert publish_trial(open_study_run(TRACK, "epsilon-digits.1", SPEC), trial) == old


def test_a_missing_sample_file_leaves_the_rest(study: StudyRun, trial: TrialRecord) -> None:
    run_id = publish_trial(study, dataclasses.replace(trial, samples=Path("gone.npz")))
    assert study.store.client.get_run(run_id).info.status == "FINISHED"


def test_links_open_the_trials_of_this_study_best_first(
    study: StudyRun, stored_view: Callable
) -> None:
    ids = [
        publish_trial(study, TrialRecord(i, "complete", metrics={"eval/fid": fid}))
        for i, fid in enumerate([5.0, 1.0, 3.0])
    ]
    publish_trial(study, TrialRecord(3, "failed", reason="x"))
    charts, table, compared, parent = study_links(study)
    assert "compareRunsMode=CHART" in charts and "compareRunsMode=TABLE" in table
    assert all("http://127.0.0.1:5000/#/" in line for line in (charts, table, compared, parent))
    assert len(charts) < 200 and "viewStateShareKey=epsilon-digits" in charts
    view = stored_view(study.store, study.name)
    assert study.run_id in view["searchFilter"] and view["orderByAsc"]
    parallel = view["compareRunCharts"][0]
    assert (parallel["type"], parallel["selectedParams"]) == ("PARALLEL", ["sampler.epsilon"])
    assert [compared.find(ids[i]) for i in (1, 2, 0)] == sorted(compared.find(i) for i in ids)
    assert study.run_id in parent
    study_links(study, "eval/precision", largest=True)
    assert not stored_view(study.store, study.name)["orderByAsc"]


def test_many_writers_lose_nothing(study: StudyRun) -> None:
    code = (
        "import sys\n"
        "from ncsn.config.params import TrackParams\n"
        "from ncsn.tracking.studies import open_study_run, publish_trial\n"
        "from ncsn.base.trial_record import TrialRecord\n"
        "track = TrackParams(uri='sqlite:///mlflow.db', artifact_root='art', experiment='e',"
        " log_model=True)\n"
        "study = open_study_run(track, 'epsilon-digits', {})\n"
        "for n in range(12):\n"  # every writer publishes every trial
        "    publish_trial(study, TrialRecord(n, 'complete', {'a.b': n}, {'eval/fid': n + 0.5}))\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ends = [(writer.communicate()[1], writer.returncode) for writer in writers]
    assert [end[1] for end in ends] == [0, 0], ends
    runs = children(study)
    assert sorted(int(run.data.tags["ncsn.trial"]) for run in runs) == list(range(12))
    assert all(run.info.status == "FINISHED" and run.data.metrics for run in runs)


def test_a_locked_store_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    locked = MlflowException("database is locked", error_code=TEMPORARILY_UNAVAILABLE)
    outcomes = [locked, locked, 7]

    def call() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    assert retry.retried(call) == 7
    monkeypatch.setattr(retry, "RETRY_SEC", 0.0)
    outcomes[:] = [locked]
    with pytest.raises(UserError, match="locked"):
        retry.retried(call)

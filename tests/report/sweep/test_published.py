"""Exported studies come back whole: into the database, into MLflow, and out again as they were."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import optuna
import pytest
from PIL import Image

from ncsn.base.errors import UserError
from ncsn.config.params import SweepParams, TrackParams
from ncsn.sweep.results.export import export_study, fuller
from ncsn.sweep.results.exported import read_export, refuse_partial
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.pictures import ARTIFACTS, artifact_attrs, kept_samples
from ncsn.sweep.search.read import read_study
from ncsn.sweep.search.restore import restore_study
from ncsn.sweep.search.study import note_confirmed

PARAMS = SweepParams(storage="sqlite:///sweeps.db", heartbeat_sec=10, grace_sec=60, max_retry=1)
NAME = "joint-digits"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, synthetic: Any) -> Path:
    """An export with complete, pruned, failed, waiting and running trials, draws and images."""
    place = tmp_path_factory.mktemp("there")
    study = synthetic.joint(count=13)
    _add_odd_trials(study, synthetic, place / ARTIFACTS)
    note_confirmed(
        study,
        4,
        {
            "seeds": [7, 8],
            "train_seeds": [1],
            "num_samples": 300,
            "values": {"eval/fid": [5.1, 5.3]},
        },
    )
    export_study(study._storage, NAME, place / NAME, place / ARTIFACTS)
    return place / NAME


def _add_odd_trials(study: optuna.Study, synthetic: Any, artifacts: Path) -> None:
    png = artifacts.parent / "one.png"
    Image.new("L", (8, 8), 9).save(png)
    template = study.trials[0]
    template.system_attrs |= artifact_attrs(png.read_bytes(), artifacts, "one")
    template.set_user_attr("seconds", {"a": 0.1, "c": 0.7, "b": 0.2})  # sums depend on the order
    study.add_trial(template)
    study.enqueue_trial(dict(synthetic.ADVISED), user_attrs={"origin": "advised"})
    study.ask({"sampler.epsilon": optuna.distributions.FloatDistribution(1e-6, 1e-2, log=True)})
    study.enqueue_trial(dict(synthetic.PRESENT), user_attrs={"origin": "present"})


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_export_import_export_gives_the_same_files(published: Path, tmp_path: Path) -> None:
    storage = open_storage(PARAMS, tmp_path)
    study = read_export(published)
    assert restore_study(storage, study, tmp_path / ARTIFACTS) == 16
    export_study(storage, NAME, tmp_path / NAME, tmp_path / ARTIFACTS)
    assert files_of(tmp_path / NAME) == files_of(published)
    assert set(files_of(published)) > {"trials.csv", "study.json"}
    data = read_study(storage, NAME)
    assert (data.num_waiting, len(data.running())) == (1, 1)
    assert 13 in kept_samples(storage, NAME, tmp_path / ARTIFACTS)


def test_importing_twice_adds_nothing_and_what_was_interrupted_is_completed(
    published: Path, tmp_path: Path
) -> None:
    storage, study = open_storage(PARAMS, tmp_path), read_export(published)
    begun = study._replace(trials=study.trials[:5], rest={})
    assert restore_study(storage, begun, tmp_path) == 5
    assert restore_study(storage, study, tmp_path) == 11
    before = optuna.load_study(study_name=NAME, storage=storage).get_trials()
    assert restore_study(storage, study, tmp_path) == 0
    assert optuna.load_study(study_name=NAME, storage=storage).get_trials() == before


def test_a_study_with_other_trials_is_refused_and_stays(published: Path, tmp_path: Path) -> None:
    storage, study = open_storage(PARAMS, tmp_path), read_export(published)
    other = study.trials[0].__class__(**{**vars(study.trials[0]), "started": "2020-01-01T00:00"})
    restore_study(storage, study._replace(trials=(other,), rest={}), tmp_path)
    before = optuna.load_study(study_name=NAME, storage=storage).get_trials()
    with pytest.raises(UserError, match="study 'joint-digits' with other trials; it stays"):
        restore_study(storage, study, tmp_path)
    assert optuna.load_study(study_name=NAME, storage=storage).get_trials() == before


def test_a_report_of_fewer_trials_is_partial(published: Path, tmp_path: Path) -> None:
    storage, study = open_storage(PARAMS, tmp_path), read_export(published)
    restore_study(storage, study._replace(trials=study.trials[:5], rest={}), tmp_path)
    told = "14 trials that ended, the database has 5"
    assert fuller(read_study(storage, NAME), published) == told
    assert fuller(read_study(storage, NAME), tmp_path) is None
    restore_study(storage, study, tmp_path)
    assert fuller(read_study(storage, NAME), published) is None


def test_an_export_of_an_earlier_version_comes_back(published: Path, tmp_path: Path) -> None:
    """Without the rest its trials have the values of axes and of the study file."""
    shutil.copytree(published, tmp_path / NAME)
    path = tmp_path / NAME / "study.json"
    summary = json.loads(path.read_text())
    for key in ("attrs", "system_attrs", "shared_values", "trials", "samples", "begun"):
        summary.pop(key)
    path.write_text(json.dumps(summary))
    table = tmp_path / NAME / "trials.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(line for line in lines if ",running," not in line))
    storage = open_storage(PARAMS, tmp_path)
    assert restore_study(storage, read_export(tmp_path / NAME), tmp_path) == 14
    data = read_study(storage, NAME)
    export_study(storage, NAME, tmp_path / "again")
    again = json.loads((tmp_path / "again" / "study.json").read_text())
    for key in ("objectives", "conditions", "worker_seconds", "wall_seconds", "edges"):
        assert again[key] == summary[key]
    values = data.trials[2].values
    with pytest.raises(UserError, match="trial 2 came from an export of an earlier version"):
        refuse_partial([data.trials[2]], NAME)
    assert values["train.num_steps"] == 300 and data.trials[2].point.items() <= values.items()


def test_a_broken_export_is_one_line(published: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="study.json is missing"):
        read_export(tmp_path)
    shutil.copytree(published, tmp_path / NAME)
    table = tmp_path / NAME / "trials.csv"
    table.write_text(table.read_text().replace(",complete,", ",finished,", 1))
    with pytest.raises(
        UserError, match=r"trials.csv: not the trials of .*no such state: finished"
    ):
        read_export(tmp_path / NAME)


@pytest.mark.slow
def test_mlflow_gets_the_trials_once(published: Path, tmp_path: Path) -> None:
    from ncsn.sweep.search.tracked import sync
    from ncsn.tracking.store import open_store

    storage, study = open_storage(PARAMS, tmp_path), read_export(published)
    restore_study(storage, study._replace(trials=study.trials[:3], rest={}), tmp_path)
    track = TrackParams(
        uri="sqlite:///mlflow.db", artifact_root="mlartifacts", experiment="x", log_model=False
    )
    assert sync(track, storage, NAME, tmp_path) == 3
    store = open_store(track.model_copy(update={"experiment": "x-sweeps"}), tmp_path)
    before = [run.to_dictionary() for run in store.client.search_runs([store.experiment_id])]
    assert len(before) == 4
    assert sync(track, storage, NAME, tmp_path) == 0
    after = [run.to_dictionary() for run in store.client.search_runs([store.experiment_id])]
    assert after == before


def test_an_axis_of_the_training_alone_is_refused_with_the_exact_score() -> None:
    from ncsn.sweep.studies.plan import load_plan

    root = Path(__file__).parents[3]
    rule = r"space.train.learning_rate: decides the training alone.*run it with --model network"
    with pytest.raises(UserError, match=rule):
        load_plan("learning_rate", "digits", "oracle", root)
    load_plan("learning_rate", "digits", "network", root)
    load_plan("epsilon", "digits", "oracle", root)


def test_the_page_names_the_commands(published: Path) -> None:
    commands = json.loads((published / "study.json").read_text())["commands"]
    assert re.fullmatch(r"python pipeline/sweep.py import joint-digits", commands[0])
    assert commands[1] == "python pipeline/sweep.py run joint --size digits"
    assert re.fullmatch(
        r"python pipeline/sweep.py apply joint --size digits --trial \d+ --all", commands[2]
    )

"""A project that was moved or copied goes on by itself and leaves the original alone."""

import hashlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import load_params
from ncsn.tracking.configuration import publish_configuration
from ncsn.tracking.store import Store, open_store

Edit = Callable[[str, str, Any], None]


def _enter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new process in `folder`: MLflow keeps where a run's artifacts are for a whole process."""
    _artifact_repos_cache.clear()
    monkeypatch.chdir(folder)


def _publish() -> str:
    params = load_params("paths", "track")
    track = params.track.model_copy(update={"log_model": False})
    return publish_configuration(params.paths, track, read_yaml("params.yaml"))["run_id"]


def _store() -> Store:
    return open_store(load_params("track").track)


def _bytes_of(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def _artifact(run_id: str, folder: Path) -> Path:
    """A file of the run as MLflow's client has it."""
    return Path(_store().client.download_artifacts(run_id, "metrics.json", str(folder)))


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_copy_goes_on_by_itself(
    project: Path, edit_params: Edit, monkeypatch: pytest.MonkeyPatch, is_kept: bool
) -> None:
    old = project / "old"
    old.mkdir()
    for path in list(project.iterdir()):
        if path != old:
            path.rename(old / path.name)
    monkeypatch.chdir(old)
    first = _publish()
    new = project / "a new place"
    shutil.copytree(old, new)
    before = _bytes_of(old)
    if not is_kept:
        shutil.rmtree(old)
    _enter(new, monkeypatch)
    edit_params("sampler", "steps_per_level", 11)
    second = _publish()
    assert second != first
    for run_id in (first, second):
        assert Path("mlartifacts", run_id, "artifacts", "metrics.json").is_file()
        target = project / f"from {run_id}"
        target.mkdir()
        assert _artifact(run_id, target).is_file()
        uri = _store().client.get_run(run_id).info.artifact_uri
        assert uri.startswith(f"{new.as_uri()}/mlartifacts/")
    assert (_bytes_of(old) if is_kept else before) == before
    edit_params("sampler", "steps_per_level", 10)
    assert _publish() == first


def test_experiments_follow_their_files_and_no_others(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three experiments one is opened, one has its files beside the database, one elsewhere."""
    client, elsewhere = _store().client, (project / "elsewhere").as_uri()
    here = (project / "mlartifacts").as_uri()
    for name, place in (("beside", here), ("apart", elsewhere)):
        number = client.create_experiment(name, artifact_location=place)
        run = client.create_run(number)
        client.log_text(run.info.run_id, "x", "x.txt")
    new = project / "new"
    new.mkdir()
    for path in [*project.glob("mlflow.db*"), project / "params.yaml", project / "mlartifacts"]:
        (shutil.copytree if path.is_dir() else shutil.copy)(path, new / path.name)
    _enter(new, monkeypatch)
    with closing(sqlite3.connect(_store_file(new))) as connection:
        rows = connection.execute("SELECT name, artifact_location FROM experiments").fetchall()
    there = (new / "mlartifacts").as_uri()
    assert dict(rows) | {"Default": ""} == {
        "Default": "",
        load_params("track").track.experiment: there,
        "beside": there,
        "apart": elsewhere,
    }


def _store_file(folder: Path) -> Path:
    _store()
    return folder / "mlflow.db"


def test_models_come_along(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = _store()
    model = store.client.create_logged_model(store.experiment_id, name="net")
    weights = project / "weights"
    weights.mkdir()
    (weights / "w").write_text("1")
    store.client.log_model_artifacts(model.model_id, str(weights))
    store.client.finalize_logged_model(model.model_id, "READY")
    new = project / "new"
    new.mkdir()
    for name in ("params.yaml", "mlflow.db", "mlartifacts"):
        shutil.move(project / name, new)
    for path in project.glob("mlflow.db-*"):
        shutil.move(path, new)
    _enter(new, monkeypatch)
    moved = _store().client.get_logged_model(model.model_id)
    assert moved.artifact_location.startswith(f"{new.as_uri()}/mlartifacts/")


def test_complete_runs_keep_artifacts_that_did_not_come_along(
    project: Path, edit_params: Edit
) -> None:
    """Another `artifact_root`: old files stay readable, new ones go to the new folder."""
    first = _publish()
    before = _store().client.get_run(first).info.artifact_uri
    edit_params("track", "artifact_root", "elsewhere")
    edit_params("sampler", "steps_per_level", 11)
    second = _publish()
    client = _store().client
    assert client.get_run(first).info.artifact_uri == before
    assert client.get_run(second).info.artifact_uri.startswith((project / "elsewhere").as_uri())


def test_a_database_that_travelled_alone_writes_nothing_into_the_old_place(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = _store()
    run = store.client.create_run(store.experiment_id)
    store.client.log_text(run.info.run_id, "x", "x.txt")
    new = project / "new"
    new.mkdir()
    for path in (*project.glob("mlflow.db*"), project / "params.yaml"):
        if path.is_file():
            shutil.copy(path, new)
    before = _bytes_of(project / "mlartifacts")
    _enter(new, monkeypatch)
    _store().client.log_text(run.info.run_id, "y", "y.txt")  # it was RUNNING when it was copied
    assert _bytes_of(project / "mlartifacts") == before
    assert (new / "mlartifacts" / run.info.run_id / "artifacts" / "y.txt").is_file()


def test_a_temporary_experiment_uses_the_projects_store(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in `dvc exp run --temp`: the folder vanishes, its run must not."""
    (project / ".dvc").mkdir()
    temporary = project / ".dvc" / "tmp" / "exps" / "standalone" / "tmpx"
    temporary.mkdir(parents=True)
    (temporary / ".dvc").mkdir()
    for name in ("params.yaml", "dvc.yaml", "dvc.lock", "artifacts", "reports"):
        source, target = project / name, temporary / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    for script in project.glob("*.py"):
        shutil.copy(script, temporary)
    monkeypatch.chdir(temporary)
    run_id = _publish()
    assert not (temporary / "mlflow.db").exists() and not (temporary / "mlartifacts").exists()
    _enter(project, monkeypatch)
    shutil.rmtree(temporary)
    uri = _store().client.get_run(run_id).info.artifact_uri
    assert uri.startswith((project / "mlartifacts").as_uri())
    assert os.path.isfile(project / "mlartifacts" / run_id / "artifacts" / "metrics.json")

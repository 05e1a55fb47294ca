"""The store: safe to create from several processes, absolute, named in errors."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ncsn.base.errors import UserError
from ncsn.config.params import TrackParams
from ncsn.tracking.server import addresses, serving
from ncsn.tracking.store import open_store, store_uri

TRACK = TrackParams(uri="sqlite:///mlflow.db", artifact_root="art", experiment="e", log_model=True)


@pytest.mark.slow
def test_three_processes_create_one_store(tmp_path: Path) -> None:
    """MLflow's own creation fails in all three and leaves a broken file."""
    code = (
        "from ncsn.tracking.store import open_store\n"
        "from ncsn.config.params import TrackParams\n"
        "track = TrackParams(uri='sqlite:///mlflow.db', artifact_root='a', experiment='e',"
        " log_model=True)\n"
        "store = open_store(track)\n"
        "print(store.experiment_id, store.client.create_run(store.experiment_id).info.status)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    ends = [(*process.communicate(), process.returncode) for process in processes]
    assert [end[2] for end in ends] == [0, 0, 0], ends
    assert {end[0] for end in ends} == {"1 RUNNING\n"}


def test_the_address_is_absolute_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert store_uri(TRACK, tmp_path) == f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert store_uri(TRACK, tmp_path) == "http://127.0.0.1:1"


def test_artifacts_lie_under_the_root_wherever_the_process_stands(project: Path) -> None:
    store = open_store(TRACK)
    experiment = store.client.get_experiment(store.experiment_id)
    assert experiment.artifact_location == (project / "art").as_uri()
    assert open_store(TRACK, project).experiment_id == store.experiment_id


def test_the_pages_need_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UserError, match="make repro"):
        addresses(TRACK, tmp_path)
    with pytest.raises(UserError, match="make repro"), serving(TRACK, tmp_path):
        pass
    assert not list(tmp_path.iterdir())


def test_a_store_that_cannot_be_opened_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlflow.db").write_text("not a database, whatever its name says")
    with pytest.raises(UserError, match=r"track\.uri .*mlflow\.db.*not a database"):
        open_store(TRACK, tmp_path)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("postgresql://me:cANary7@host:port/db", "is no address of a store"),
        ("mysql://me:cANary7@127.0.0.1:1/db", "No module named"),
        ("nosuch://me:cANary7@host", "URI"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_line_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, reason: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(UserError, match=reason) as error:
        open_store(TRACK, tmp_path)
    told = str(error.value)
    assert "cANary7" not in told and "me:***@" in told and "\n" not in told


def test_a_deleted_experiment_is_named(project: Path) -> None:
    store = open_store(TRACK)
    store.client.delete_experiment(store.experiment_id)
    with pytest.raises(UserError, match=r"track\.experiment .*was deleted"):
        open_store(TRACK)

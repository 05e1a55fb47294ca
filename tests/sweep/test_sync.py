"""An MLflow server that is away for a while: trials go on, and `sync` brings what it missed."""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import SweepParams, TrackParams
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.driver import run_study
from ncsn.sweep.search.membership import Limits
from ncsn.sweep.search.tracked import sync
from ncsn.sweep.search.worker import Stop, Store, Sweep, take_trials
from ncsn.sweep.studies.plan import made_plan
from ncsn.sweep.studies.study import checked_spec
from ncsn.tracking import server as server_module
from ncsn.tracking.server import free_port, serving
from ncsn.tracking.store import Store as MlflowStore
from ncsn.tracking.store import is_served, open_store
from ncsn.tracking.studies import STATE_TAG, TRIAL_TAG, of_sweeps

sys.path.append(str(Path(__file__).parent))

import fake_pipeline  # noqa: E402

NAME = "epsilon-digits"
EPSILON = {"type": "float", "low": 1e-6, "high": 1e-3, "log": True, "points": 4}
SPEC = {
    "purpose": "How far the distance depends on epsilon.",
    "objectives": {"eval/fid": "minimize"},
    "scientific": ["sampler.epsilon"],
    "space": {"sampler.epsilon": EPSILON},
    "sampler": {"name": "grid"},
    "sizes": {"digits": {"preset": "digits", "budget": {"trials": 5, "hours": 1.0, "confirm": 0}}},
}
TRACK = TrackParams(uri="sqlite:///mlflow.db", artifact_root="art", experiment="e", log_model=True)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


class Server:
    """MLflow's server of TRACK, at one address however often it is started."""

    def __init__(self, root: Path) -> None:
        self._root, self._port, self._running = root, free_port(5700), ExitStack()
        self.track = TRACK.model_copy(update={"uri": self.start()})

    def start(self) -> str:
        return self._running.enter_context(serving(TRACK, self._root, self._port))

    def stop(self) -> None:
        self._running.close()


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(server_module, "_START_SEC", 240.0)  # a busy machine
    open_store(of_sweeps(TRACK), tmp_path)
    started = Server(tmp_path)
    yield started
    started.stop()


def new_sweep(root: Path, track: TrackParams, behave: Callable[..., float]) -> Sweep:
    params = SweepParams(storage="sqlite:///sweeps.db", heartbeat_sec=1, grace_sec=60, max_retry=2)
    spec = checked_spec(SPEC, "studies/epsilon.yaml")
    params_file = read_yaml(Path(__file__).parents[2] / "params.yaml")
    return Sweep(
        plan=made_plan("epsilon", spec, "digits", "network", params_file),
        pipeline=fake_pipeline.FakePipeline(root / "journal", behave),
        store=Store(params, root),
        limits=Limits(5, time.time() + 300),
        track=track,
    )


def runs(store: MlflowStore) -> tuple[Any, dict[int, Any]]:
    """The study's own run, and those of its trials by number."""
    found = store.client.search_runs([store.experiment_id])
    (parent,) = [run for run in found if TRIAL_TAG not in run.data.tags]
    return parent, {int(r.data.tags[TRIAL_TAG]): r for r in found if TRIAL_TAG in r.data.tags}


def test_what_an_outage_missed_is_there_when_run_ends(tmp_path, server, capsys):
    seen: list[dict[int, str]] = []

    def behave(values: Any, folder: Path) -> float:
        number = len(fake_pipeline.started(folder / "journal")) - 1
        if number == 1:
            server.stop()
        if number == 3:
            server.start()
        return fake_pipeline.quick(values, folder)

    def launch(workers: int) -> None:
        take_trials(sweep, Stop())
        children = runs(open_store(of_sweeps(TRACK), tmp_path))[1]
        seen.append({number: run.info.status for number, run in children.items()})

    sweep = new_sweep(tmp_path, server.track, behave)
    assert is_served(server.track.uri)
    run_study(sweep, launch, 1, {"commit": "c" * 40, "dirty": False})
    assert seen[0][1] == "RUNNING" and 2 not in seen[0]  # as an outage leaves them
    store = open_store(of_sweeps(TRACK), tmp_path)
    parent, children = runs(store)
    assert parent.info.status == "FINISHED" and parent.data.metrics["trials/complete"] == 5
    assert sorted(children) == [0, 1, 2, 3, 4]
    for run in children.values():
        assert run.info.status == "FINISHED" and run.data.tags[STATE_TAG] == "complete"
        assert run.data.metrics["eval/fid"] >= 0 and run.info.end_time
    said = capsys.readouterr()
    assert "View run" not in said.out and "View experiment" not in said.out
    assert said.err.count("warning: not written to MLflow") == 4  # end of 1, 2, begin of 3
    storage = open_storage(sweep.store.params, tmp_path)
    assert sync(TRACK, storage, NAME, tmp_path) == 0
    assert [run.to_dictionary() for run in runs(store)[1].values()] == [
        run.to_dictionary() for run in children.values()
    ]


def test_a_run_that_ends_in_an_outage_is_completed_by_sync(tmp_path, server, capsys):
    def behave(values: Any, folder: Path) -> float:
        if len(fake_pipeline.started(folder / "journal")) == 4:
            server.stop()
        return fake_pipeline.quick(values, folder)

    sweep = new_sweep(tmp_path, server.track, behave)
    source = {"commit": "c" * 40, "dirty": False}
    run_study(sweep, lambda workers: take_trials(sweep, Stop()), 1, source)
    assert "sweep.py sync" in capsys.readouterr().err
    store = open_store(of_sweeps(TRACK), tmp_path)
    parent, children = runs(store)
    assert parent.info.status == "RUNNING" and 4 not in children
    server.start()
    storage = open_storage(sweep.store.params, tmp_path)
    assert sync(server.track, storage, NAME, tmp_path) == 2
    parent, children = runs(store)
    assert parent.info.status == "FINISHED" and len(children) == 5
    assert all(run.info.status == "FINISHED" for run in children.values())
    assert all("eval/fid" in run.data.metrics for run in children.values())
    assert sync(replace(sweep).track, storage, NAME, tmp_path) == 0

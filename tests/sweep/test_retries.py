"""What is tried again, and how often: after kills, full disks, lost databases."""

import errno
import os
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from ncsn.base.errors import Diverged
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import SweepParams
from ncsn.sweep.search import database, outage
from ncsn.sweep.search.address import DatabaseLost
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.membership import Limits, study_lock
from ncsn.sweep.search.opening import open_study
from ncsn.sweep.search.retries import KEPT, KILLED, PUT_BACK, put_back
from ncsn.sweep.search.study import load_study, tally
from ncsn.sweep.search.tracked import TrackedStudy
from ncsn.sweep.search.worker import Stop, Store, Sweep, take_trials
from ncsn.sweep.studies.plan import made_plan
from ncsn.sweep.studies.study import checked_spec
from ncsn.sweep.trials.command import Ended, failure, run_command
from ncsn.sweep.trials.outcome import NoRoom, StageFailed, StageKilled

sys.path.append(str(Path(__file__).parent))

import fake_pipeline  # noqa: E402

EPSILON = {"type": "float", "low": 1e-6, "high": 1e-3, "log": True, "points": 3}
BUDGET = {"trials": 9, "hours": 1.0, "confirm": 0}
SPEC = {
    "purpose": "How far the distance depends on epsilon.",
    "objectives": {"eval/fid": "minimize"},
    "scientific": ["sampler.epsilon"],
    "space": {"sampler.epsilon": EPSILON},
    "sampler": {"name": "grid"},
    "sizes": {"digits": {"preset": "digits", "budget": BUDGET}},
}
SOURCE = {"commit": "c" * 40, "dirty": False}
KILLED_LINE = "train failed (signal 9): it was killed, as the system does where memory runs out"
PATIENT = SweepParams(storage="sqlite:///sweeps.db", heartbeat_sec=1, grace_sec=60, max_retry=2)


@pytest.fixture
def new_sweep(tmp_path):
    """Makes a sweep over a grid of a behaviour of the pipeline."""

    params_file = read_yaml(Path(__file__).parents[2] / "params.yaml")
    spec = checked_spec(SPEC, "studies/epsilon.yaml")

    def make(behave: Callable[..., float], trials: int = 3, storage: str = "") -> Sweep:
        params = PATIENT.model_copy(update={"storage": storage or PATIENT.storage})
        return Sweep(
            plan=made_plan("epsilon", spec, "digits", "network", params_file),
            pipeline=fake_pipeline.FakePipeline(tmp_path / "journal", behave),
            store=Store(params, tmp_path),
            limits=Limits(trials, time.time() + 120),
            track=None,
        )

    return make


def run_here(sweep: Sweep) -> None:
    open_study(sweep, SOURCE)
    take_trials(sweep, Stop())


def study_of(sweep: Sweep) -> Any:
    return load_study(open_storage(sweep.store.params, sweep.store.root), sweep.plan.name)


def points(trials: list[Any]) -> list[float]:
    return [trial.params["sampler.epsilon"] for trial in trials]


def killed_stage(folder: Path) -> None:
    """Runs a command that kills itself, as the system kills one that takes all memory."""
    command = ["/bin/sh", "-c", "echo begun; kill -9 $$"]
    ended = run_command(command, folder, dict(os.environ), folder / "out.txt", lambda: None)
    raise failure("train", ended)


def killed_once(values: Any, folder: Path) -> float:
    if not (folder / "was killed").exists():
        (folder / "was killed").touch()
        killed_stage(folder)
    return fake_pipeline.quick(values, folder)


def killed_always(values: Any, folder: Path) -> float:
    killed_stage(folder)
    raise AssertionError


def full_once(values: Any, folder: Path) -> float:
    if not (folder / "was full").exists():
        (folder / "was full").touch()
        Path("/dev/full").write_text("x" * 10)
    return fake_pipeline.quick(values, folder)


def test_a_stage_that_is_killed_once_is_tried_again(new_sweep, capsys):
    sweep = new_sweep(killed_once)
    run_here(sweep)
    now = tally(study_of(sweep).trials)
    assert len(now.ended) == 3 and {t.state for t in now.ended} == {TrialState.COMPLETE}
    assert [t.user_attrs["reason"] for t in now.replaced] == [KILLED_LINE]
    (killed,) = now.replaced
    assert points([killed])[0] in points(now.ended)
    assert f"trial {killed.number} is tried again: {KILLED_LINE}" in capsys.readouterr().out


def test_a_limit_below_the_first_points_holds_when_one_is_tried_again(new_sweep):
    """The other first points stand before the retry in the queue."""
    sweep = new_sweep(killed_once, trials=1)
    run_here(sweep)
    now = tally(study_of(sweep).trials)
    assert len(now.replaced) == len(now.ended) == 1 and now.ended[0].state == TrialState.COMPLETE
    sweep = replace(sweep, limits=Limits(3, time.time() + 120))
    run_here(sweep)
    assert len(tally(study_of(sweep).trials).ended) == 3  # nothing was forgotten


def test_a_stage_that_is_always_killed_fails_after_max_retry_and_the_study_goes_on(new_sweep):
    sweep = new_sweep(killed_always, trials=2)
    run_here(sweep)
    now = tally(study_of(sweep).trials)
    assert len(now.ended) == 2 and len(now.replaced) == 4  # two points, each tried three times
    assert len(set(points(now.ended))) == 2 and not now.retries
    assert {t.state for t in now.ended} == {TrialState.FAIL}
    assert {t.user_attrs["reason"] for t in now.ended} == {KILLED_LINE}
    run_here(sweep)
    assert len(study_of(sweep).trials) == 6  # and not again by the next run


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")
def test_a_point_that_was_put_back_survives_the_worker(new_sweep):
    """A worker that dies between the end of a trial and the retry forgets nothing."""
    sweep = new_sweep(fake_pipeline.quick, trials=2)
    study = open_study(sweep, SOURCE)
    trial = study.ask()
    trial.set_user_attr(PUT_BACK, KILLED)
    trial.set_user_attr("finished", "2026-01-01T00:00:00+00:00")
    study.tell(trial, state=TrialState.FAIL)
    take_trials(sweep, Stop())
    now = tally(study_of(sweep).trials)
    assert [t.state for t in now.ended] == [TrialState.COMPLETE] * 2 and len(now.replaced) == 1


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")
@pytest.mark.parametrize(("why", "tries"), [(KILLED, 3), (KEPT, 10)])
def test_only_kills_and_deaths_count_as_tries(tmp_path, why, tries):
    study = optuna.create_study(storage=open_storage(PATIENT, tmp_path))
    for _ in range(9):
        trial = study.ask()
        trial.set_user_attr(PUT_BACK, why)
        study.tell(trial, state=TrialState.FAIL)
        if not put_back(study, PATIENT):
            break
        assert put_back(study, PATIENT) == []  # nothing twice
    assert len(study.trials) == tries
    assert len(tally(study.trials).ended) == (1 if why == KILLED else 0)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_ends_the_worker_with_a_line_and_the_next_run_takes_the_point_up(new_sweep):
    sweep = new_sweep(full_once)
    with pytest.raises(NoRoom, match="the disk is full; free some space and run the same command"):
        run_here(sweep)
    now = tally(study_of(sweep).trials)
    assert len(now.retries) == 1 and not now.ended and not now.running
    run_here(sweep)
    now = tally(study_of(sweep).trials)
    assert len(now.ended) == 3 and {t.state for t in now.ended} == {TrialState.COMPLETE}


def test_how_a_stage_ended():
    def kind(status: int, text: str = "error: some words") -> tuple[type, str]:
        found = failure("train", Ended(status, text))
        return type(found), str(found)

    full = f"OSError: {os.strerror(errno.ENOSPC)}: 'x'"
    assert kind(4) == (NoRoom, "train: some words")
    assert kind(4, "") == (NoRoom, "train: the disk is full")  # its output lay there, too
    assert kind(1, f"Traceback\n{full}") == (NoRoom, f"train: {full}")
    assert kind(-9)[0] is kind(137)[0] is kind(-15)[0] is StageKilled
    assert kind(-11) == (StageKilled, "train failed (signal 11): some words")
    for status in (1, 2, 130, 141, 200):
        assert kind(status) == (StageFailed, f"train failed (exit status {status}): some words")
    assert kind(3)[0] is Diverged


@contextmanager
def locked(path: Path):
    """A writer that does not end its transaction."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
def impatient(monkeypatch):
    """SQLite's own wait is a fifth of a second."""
    monkeypatch.setattr(database, "_BUSY_SEC", 0.2)
    monkeypatch.setattr(outage, "_POLL_SEC", 0.1)


def test_a_database_that_comes_back_costs_no_trial(new_sweep, impatient, capsys):
    lock = threading.Thread

    def locks_once(values: Any, folder: Path) -> float:
        if not (folder / "was locked").exists():
            (folder / "was locked").touch()
            held, threads[0] = threading.Event(), lock(target=lambda: hold(held))
            threads[0].start()
            held.wait()
        return fake_pipeline.quick(values, folder)

    def hold(held: threading.Event) -> None:
        with locked(sweep.store.root / "sweeps.db"):
            held.set()
            time.sleep(2)

    threads = [None]
    sweep = new_sweep(locks_once)
    run_here(sweep)
    threads[0].join()
    now = tally(study_of(sweep).trials)
    assert len(now.ended) == 3 and {t.state for t in now.ended} == {TrialState.COMPLETE}
    assert [t.user_attrs[PUT_BACK] for t in now.replaced] == [KEPT]
    assert len(set(points(now.ended))) == 3
    told = capsys.readouterr().err
    assert told.count("database is locked") == 1 and "trying again for 300 s" in told
    assert "Traceback" not in told


def test_a_database_that_stays_away_ends_the_worker_with_a_line(new_sweep, impatient, monkeypatch):
    monkeypatch.setattr(outage, "PATIENCE_SEC", 0.5)
    holder = []

    def locks(values: Any, folder: Path) -> float:
        if not holder:
            holder.append(locked(sweep.store.root / "sweeps.db"))
            holder[0].__enter__()
        return fake_pipeline.quick(values, folder)

    sweep = new_sweep(locks)
    with pytest.raises(DatabaseLost, match="locked.*; the next `run` tries again what ran"):
        run_here(sweep)
    holder[0].__exit__(None, None, None)
    assert [t.state for t in study_of(sweep).trials].count(TrialState.FAIL) == 0
    short = sweep.store.params.model_copy(update={"grace_sec": 1})
    time.sleep(1.5)
    run_here(replace(sweep, store=sweep.store._replace(params=short)))
    now = tally(study_of(sweep).trials)
    assert len(now.ended) == 3 and {t.state for t in now.ended} == {TrialState.COMPLETE}


def test_a_database_file_that_is_moved_away_leaves_its_place_free(tmp_path):
    storage, path = open_storage(PATIENT, tmp_path), tmp_path / "sweeps.db"
    optuna.create_study(storage=storage, study_name="s")
    storage.engine.dispose()
    path.rename(tmp_path / "elsewhere")
    with pytest.raises(optuna.exceptions.StorageInternalError):
        storage.get_all_studies()
    assert not path.exists()
    (tmp_path / "elsewhere").rename(path)
    assert [study.study_name for study in storage.get_all_studies()] == ["s"]


def test_a_trial_that_another_worker_took_over_is_left_to_it(new_sweep, capsys):
    def overtaken(values: Any, folder: Path) -> float:
        if not (folder / "was dead").exists():
            (folder / "was dead").touch()
            study = study_of(sweep)
            (running,) = study.get_trials(states=(TrialState.RUNNING,))
            study.tell(running.number, state=TrialState.FAIL)  # as after a long sleep
            put_back(study, PATIENT)
        return fake_pipeline.quick(values, folder)

    sweep = new_sweep(overtaken)
    run_here(sweep)
    now = tally(study_of(sweep).trials)
    assert len(now.ended) == 3 and {t.state for t in now.ended} == {TrialState.COMPLETE}
    assert len(now.replaced) == 1
    assert "another worker has taken it over" in capsys.readouterr().err


def test_a_heart_beats_on_after_the_database_was_away(tmp_path, impatient, monkeypatch):
    caught: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", caught.append)
    storage = open_storage(PATIENT, tmp_path)
    study = optuna.create_study(storage=storage)

    def objective(trial: optuna.Trial) -> float:
        with locked(tmp_path / "sweeps.db"):
            time.sleep(1.5)
        with closing(sqlite3.connect(tmp_path / "sweeps.db")) as connection:
            query = "SELECT heartbeat FROM trial_heartbeats"
            before = connection.execute(query).fetchall()
            time.sleep(2.5)
            assert connection.execute(query).fetchall() != before
        return 0.0

    study.optimize(objective, n_trials=1)
    assert not caught


def test_nobody_waits_for_mlflow_with_the_lock_of_the_study(new_sweep, monkeypatch):
    """The server of MLflow takes the connection and does not answer."""
    from mlflow import MlflowClient

    from ncsn.tracking.store import Store as MlflowStore
    from ncsn.tracking.studies import StudyRun

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    sweep = new_sweep(fake_pipeline.quick, trials=1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        run = StudyRun(MlflowStore(MlflowClient(uri), "1", uri), "r", "epsilon-digits", {})
        monkeypatch.setattr(TrackedStudy, "opened", lambda *_: TrackedStudy(run))
        worker = threading.Thread(target=run_here, args=(sweep,))
        worker.start()
        connection, _ = server.accept()  # the running trial is being published
        begin = time.monotonic()
        with sweep.store.coordinator().lock(study_lock(sweep.plan.name)):
            waited = time.monotonic() - begin
        connection.close()
        worker.join()
    assert waited < 1
    assert [t.state for t in study_of(sweep).trials].count(TrialState.COMPLETE) == 1


def test_postgresql_stopped_and_started_again(new_sweep, postgres, postgres_url, capsys):
    """In mid-trial; the server is started here, since it ends with the thread that starts it."""
    asked = threading.Event()

    def goes_on_when_stopped(values: Any, folder: Path) -> float:
        if not asked.is_set():
            asked.set()
            stopped.wait()
        return fake_pipeline.quick(values, folder)

    stopped = threading.Event()
    sweep = new_sweep(goes_on_when_stopped, storage=postgres_url)
    worker = threading.Thread(target=run_here, args=(sweep,))
    worker.start()
    asked.wait()
    postgres.stop()
    stopped.set()
    time.sleep(3)
    postgres.start()
    worker.join()
    now = tally(study_of(sweep).trials)
    assert len(now.ended) == 3 and {t.state for t in now.ended} == {TrialState.COMPLETE}
    assert [t.user_attrs[PUT_BACK] for t in now.replaced] == [KEPT]
    told = capsys.readouterr().err
    assert "Traceback" not in told and told.count("trying again for 300 s") == 1
    assert "cANary7" not in told

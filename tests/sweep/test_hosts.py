"""One study over several hosts: folders of their own, one database, nothing else in common."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from optuna.trial import TrialState
from postgres import PASSWORD

from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import SweepParams, load_params
from ncsn.sweep.results.status import status_lines
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.membership import Limits
from ncsn.sweep.search.read import read_study
from ncsn.sweep.search.study import load_study, tally
from ncsn.sweep.search.worker import Store, Sweep
from ncsn.sweep.studies.plan import made_plan
from ncsn.sweep.studies.study import checked_spec

sys.path.append(str(Path(__file__).parent))  # worker processes import the pipelines by name

import fake_pipeline  # noqa: E402

ROOT = Path(__file__).parents[2]
PARAMS = read_yaml(ROOT / "params.yaml")
NAME = "epsilon-digits"
TRIALS = 12
SWEEP = SweepParams(storage="sqlite:///sweeps.db", heartbeat_sec=1, grace_sec=3, max_retry=2)


def _spec(sampler: str) -> dict[str, Any]:
    axis = {"type": "float", "low": 1e-6, "high": 1e-3, "log": True, "points": TRIALS - 1}
    budget = {"trials": TRIALS, "hours": 1.0, "confirm": 2, "confirm_draws": 2}
    return {
        "purpose": "How far the distance depends on epsilon.",
        "objectives": {"eval/fid": "minimize"},
        "scientific": ["sampler.epsilon"],
        "space": {"sampler.epsilon": axis},
        "sampler": {"name": sampler},
        "sizes": {"digits": {"preset": "digits", "budget": budget}},
    }


class Host(NamedTuple):
    """A host: what it runs, its folder, and how it is called."""

    sweep: Sweep
    name: str

    def begun(self) -> list[dict[str, Any]]:
        """What its pipeline noted as each trial began."""
        return fake_pipeline.started(self.sweep.store.root / "journal")


@pytest.fixture
def new_host(tmp_path):
    """Makes a host of a sampler and a behaviour of the pipeline."""

    def make(name: str, sampler: str, behave: Callable[..., float], folder: str = "") -> Host:
        root = tmp_path / (folder or name)
        root.mkdir(exist_ok=True)
        spec = checked_spec(_spec(sampler), "studies/epsilon.yaml")
        plan = made_plan("epsilon", spec, "digits", "network", PARAMS)
        pipeline = fake_pipeline.FakePipeline(root / "journal", behave)
        limits = Limits(TRIALS, time.time() + 600)
        return Host(Sweep(plan, pipeline, Store(SWEEP, root), limits, None), name)

    return make


@pytest.fixture
def start():
    """Starts a driver of a host; none outlives the test."""
    processes = []

    def begin(host: Host, *words: str) -> subprocess.Popen[str]:
        command = fake_pipeline.command(host.sweep, *words)
        env = {**os.environ, "TEST_HOST": host.name}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        processes.append(subprocess.Popen(command, env=env, text=True, **pipes))
        return processes[-1]

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def _study(host: Host) -> Any:
    return load_study(open_storage(SWEEP, host.sweep.store.root), NAME)


def _started_at_once(start: Any, hosts: list[Host], workers: int = 1) -> None:
    """Runs the study on all hosts; none of them may fail."""
    processes = [start(host, "run", str(workers)) for host in hosts]
    for process in processes:
        out, err = process.communicate(timeout=240)
        assert (process.returncode, err) == (0, ""), out


def _assert_shared(hosts: list[Host]) -> None:
    study = _study(hosts[0])
    trials = study.trials
    points = [trial.params["sampler.epsilon"] for trial in trials]
    assert len(trials) == len(set(points)) == TRIALS
    assert {trial.state for trial in trials} == {TrialState.COMPLETE}
    origins = Counter(trial.user_attrs["origin"] for trial in trials)
    assert origins["advised"] == origins["present"] == 1
    workers = {trial.user_attrs["worker"] for trial in trials}
    assert len({int(worker.rpartition("/")[2]) for worker in workers}) == len(workers)
    assert {worker.rpartition("/")[0] for worker in workers} <= {host.name for host in hosts}
    begun = [
        entry
        for folder in {h.sweep.store.root: h for h in hosts}.values()
        for entry in folder.begun()
    ]
    assert len(begun) == TRIALS + 2 * 2  # the two best are drawn again by one host alone
    assert len(study.user_attrs["confirmed"]) == 2


@pytest.mark.parametrize("sampler", ["grid", "tpe", "qmc"])
def test_two_hosts_started_at_once_share_a_study(
    new_host, start, postgres_url, monkeypatch, sampler
):
    monkeypatch.setenv("NCSN_SWEEP_STORAGE", postgres_url)
    hosts = [new_host(name, sampler, fake_pipeline.slow) for name in ("here", "there")]
    _started_at_once(start, hosts)
    _assert_shared(hosts)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("attempt", range(10))
@pytest.mark.parametrize("sampler", ["grid", "tpe", "qmc"])
def test_ten_starts_of_two_hosts(new_host, start, postgres_url, monkeypatch, sampler, attempt):
    monkeypatch.setenv("NCSN_SWEEP_STORAGE", postgres_url)
    hosts = [new_host(name, sampler, fake_pipeline.quick) for name in ("here", "there")]
    _started_at_once(start, hosts, workers=1 + attempt % 2)
    _assert_shared(hosts)


def test_two_runs_on_one_host_share_a_study(new_host, start, monkeypatch):
    monkeypatch.delenv("NCSN_SWEEP_STORAGE", raising=False)
    hosts = [new_host("here", "tpe", fake_pipeline.slow, folder="one") for _ in range(2)]
    _started_at_once(start, hosts)
    _assert_shared(hosts)


def test_a_killed_hosts_trial_comes_back_once_on_the_other(
    new_host, start, postgres_url, monkeypatch
):
    monkeypatch.setenv("NCSN_SWEEP_STORAGE", postgres_url)
    here = new_host("here", "tpe", fake_pipeline.hangs_until_told)
    driver = start(here, "run", "1")
    deadline = time.monotonic() + 120
    while not here.begun():
        assert time.monotonic() < deadline and driver.poll() is None
        time.sleep(0.05)
    driver.kill()  # its worker dies with it
    there = new_host("there", "tpe", fake_pipeline.quick)
    _started_at_once(start, [there], workers=2)
    now = tally(_study(there).trials)
    assert (len(now.ended), len(now.replaced)) == (TRIALS, 1)
    (lost,) = [entry["values"] for entry in here.begun()]
    searched = [entry["values"] for entry in there.begun()[:TRIALS]]
    assert searched.count(lost) == 1
    numbers = [trial.user_attrs["worker"] for trial in (*now.replaced, *now.ended)]
    assert numbers[0] == "here/0" and set(numbers[1:]) == {"there/1", "there/2"}


def test_a_worker_says_in_the_database_what_went_wrong(new_host, start, postgres_url, monkeypatch):
    monkeypatch.setenv("NCSN_SWEEP_STORAGE", postgres_url)
    host = new_host("here", "random", fake_pipeline.fails)
    driver = start(host, "run", "1")
    _, err = driver.communicate(timeout=120)
    assert driver.returncode == 2
    told = "worker here/0: the first 3 trials of a worker failed alike: sample failed"
    assert err.splitlines()[-1].startswith(f"error: {NAME}: {told}")
    assert "Traceback" not in err
    data = read_study(open_storage(SWEEP, host.sweep.store.root), NAME)
    (line,) = [line for line in status_lines(data, TRIALS) if "ended with an error" in line]
    assert told in line


def test_a_stopped_worker_puts_its_trial_back_and_another_host_takes_it(
    new_host, start, postgres_url, monkeypatch
):
    monkeypatch.setenv("NCSN_SWEEP_STORAGE", postgres_url)
    there = new_host("there", "tpe", fake_pipeline.quick)
    here = new_host("here", "tpe", fake_pipeline.hangs_until_told)
    driver = start(here, "run", "1")
    while not here.begun():
        time.sleep(0.05)
    driver.send_signal(signal.SIGINT)
    assert driver.wait(timeout=60) == 130
    worker = start(there)  # without a driver
    out, err = worker.communicate(timeout=120)
    assert (worker.returncode, err) == (0, "")
    now = tally(_study(there).trials)
    assert (len(now.ended), len(now.replaced), len(now.running)) == (TRIALS, 1, 0)


@pytest.mark.parametrize("behave", ["quick", "tells_the_address"])
def test_no_output_file_attribute_or_tag_has_the_password(
    new_host, start, postgres, postgres_url, monkeypatch, behave
):
    monkeypatch.setenv("NCSN_SWEEP_STORAGE", postgres_url)
    host = new_host("here", "random", getattr(fake_pipeline, behave))
    track = load_params("track", path=ROOT / "params.yaml").track
    limits = host.sweep.limits._replace(trials=3)
    sweep = replace(host.sweep, track=track, limits=limits)
    driver = start(Host(sweep, "here"), "run", "1")
    out, err = driver.communicate(timeout=200)
    assert driver.returncode == (0 if behave == "quick" else 2), err
    if behave != "quick":
        assert "postgresql://ncsn:***@127.0.0.1" in out + err
    assert PASSWORD not in out + err
    root = host.sweep.store.root
    assert (root / "mlflow.db").exists()
    for path in root.rglob("*"):
        assert path.is_dir() or PASSWORD.encode() not in path.read_bytes(), path
    database = postgres_url.rpartition("/")[2]
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    rows = [
        row
        for (name,) in postgres.execute(tables, database)
        for row in postgres.execute(f"SELECT * FROM {name}", database)
    ]
    assert "here/0" in str(rows) and PASSWORD not in str(rows)

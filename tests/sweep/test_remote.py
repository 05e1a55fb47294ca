"""Hosts that share results over a DVC remote: each is computed once, by whichever comes first."""

import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import hosts
import pytest
from dvc.repo import Repo

from ncsn.base.errors import UserError
from ncsn.sweep.trials import dvc_repo, remote
from ncsn.sweep.trials.configuration import reproduce_configuration
from ncsn.sweep.trials.sending import push_results

FEW = {"train.num_steps": 5, "sampler.epsilon": 1e-4}
OTHER = {**FEW, "sampler.epsilon": 2e-5}
STAGES = ["prepare", "train", "sample", "evaluate"]
SECRET = "cANary9"
S3 = pytest.param("s3", marks=pytest.mark.slow)


@pytest.fixture(params=["folder", S3])
def project(project, request):
    """A project whose default remote is a folder, or a bucket on loopback."""
    if request.param == "folder":
        hosts.use_remote(project, "../../store")  # as DVC has it, from the folder .dvc
        yield project
        return
    for package in ("moto", "s3fs"):
        pytest.importorskip(package, reason="needs the extra s3 and moto")
    with hosts.s3_server() as (url, settings):
        hosts.use_remote(project, url, **settings)
        yield project


@pytest.fixture
def other(project):
    return hosts.second_host(project)


@pytest.fixture
def start():
    """Starts a host's process; none outlives the test."""
    started = []

    def begin(main, rows):
        started.append(hosts.start(main, rows))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def _how(outcome):
    return [stage.status for stage in outcome.stages]


def _ran(runs):
    return [run for run in runs() if "from" not in run]


def test_a_result_of_another_host_is_fetched_with_its_objects(project, other, runs):
    first = hosts.pipeline(project).opened(0)(FEW, None)
    assert _ran(runs) == STAGES
    second = hosts.pipeline(other).opened(0)
    outcome = second(FEW, None)
    assert _how(outcome) == ["cached"] * 4 and _ran(runs) == []
    assert outcome.metrics == first.metrics and outcome.log.read_text() == first.log.read_text()
    later = second(OTHER, None)  # and the other way
    back = hosts.pipeline(project).opened(0)(OTHER, None)
    assert _ran(runs) == ["sample", "evaluate"] and back.metrics == later.metrics


@pytest.mark.parametrize("project", ["folder"], indirect=True)
def test_the_key_is_that_under_which_dvc_keeps_a_record(project):
    workspace = hosts.pipeline(project)._workspace(0)
    reproduce_configuration(workspace, FEW)
    with contextlib.chdir(workspace.root), contextlib.closing(Repo(".")) as repo:
        keys = {remote._stage_key(stage) for stage in repo.index.stages}
        folders = Path(repo.stage_cache.cache_dir).glob("*/*")
        assert keys == {folder.name for folder in folders} and len(keys) == len(STAGES)


def test_what_was_looked_for_in_vain_is_found_when_it_has_come(project, other, runs):
    """No listing of the remote is kept from before."""
    second = hosts.pipeline(other).opened(0)
    second(FEW, None)
    values = {**FEW, "train.num_steps": 6}
    hosts.pipeline(project).opened(0)(values, None)
    runs()
    assert _how(second(values, None)) == ["unchanged", "cached", "cached", "unchanged"]
    assert runs() == []


def test_two_hosts_at_once_train_each_network_once(project, other, start, runs, monkeypatch):
    monkeypatch.setenv("TEST_STEP_SEC", "0.1")
    rows = [
        {**FEW, "train.num_steps": n, "sampler.epsilon": e} for n in (5, 6) for e in (1.0, 2.0)
    ]
    processes = [start(project, rows), start(other, rows[::-1])]
    for process in processes:
        _, errors = process.communicate(timeout=250)
        assert process.returncode == 0 and not errors, errors
    ran = runs()
    assert ran.count("prepare") == 1 and ran.count("train") == 2  # distinct keys
    assert ran.count("sample") == 4
    assert ran.count("evaluate") == 2  # the samples of both networks are the same here
    trained = [how["train"] for main in (project, other) for how in hosts.hows(main)]
    assert trained.count("ran") == 2


@pytest.mark.parametrize("shared", [False, True])
def test_a_killed_hosts_training_is_taken_over(
    project, other, start, runs, monkeypatch, tmp_path, shared
):
    """From its checkpoint where the hosts have unfinished work in common."""
    monkeypatch.setenv("TEST_STEP_SEC", "0.1")
    if shared:
        monkeypatch.setenv("NCSN_WORK", str(tmp_path / "work"))
    work = tmp_path / "work" if shared else project / ".work" / "sweep" / "shared"
    row = {**FEW, "train.num_steps": 25}
    killed = start(project, [row])
    _wait_for(lambda: list(work.glob("train-*/step")))
    taker = start(other, [row])
    killed.send_signal(signal.SIGKILL)
    _, errors = taker.communicate(timeout=250)
    assert taker.returncode == 0, errors
    ran = runs()
    begun = [int(run.rpartition("_")[2]) for run in ran if run.startswith("train_from_")]
    assert len(begun) == 2 and (begun[1] > 0) == shared
    assert ran.count("prepare") == 1
    assert hosts.hows(other)[0]["train"] == "ran"


@pytest.mark.parametrize("project", ["folder"], indirect=True)
def test_a_file_system_in_common_needs_no_remote(project, start, runs, monkeypatch, tmp_path):
    monkeypatch.setenv("TEST_STEP_SEC", "0.1")
    monkeypatch.setenv("NCSN_WORK", str(tmp_path / "work"))
    (project / ".dvc" / "config.local").write_text(f"[cache]\ndir = {tmp_path / 'cache'}\n")
    other = hosts.second_host(project)
    processes = [start(main, [FEW, OTHER]) for main in (project, other)]
    for process in processes:
        _, errors = process.communicate(timeout=250)
        assert process.returncode == 0 and not errors, errors
    ran = runs()
    assert [ran.count(stage) for stage in STAGES] == [1, 1, 2, 2]
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("project", ["folder"], indirect=True)
def test_a_record_that_another_host_is_writing_is_left_alone(project, runs, tmp_path):
    """DVC deletes what it cannot read, so that it must not look before it has the lock."""
    (project / ".dvc" / "config.local").write_text(f"[cache]\ndir = {tmp_path / 'cache'}\n")
    hosts.pipeline(project).opened(0)(FEW, None)
    records = [*(tmp_path / "cache").rglob("runs/*/*/*")]
    whole = {record: record.read_bytes() for record in records}
    assert len(whole) == len(STAGES)
    for record, content in whole.items():
        record.rename(record.with_name("half")).write_bytes(content[:20])

    @contextlib.contextmanager
    def until_written(name):
        for record, content in whole.items():
            if not record.exists():
                record.with_name("half").replace(record)
                record.write_bytes(content)
        yield

    runs()
    workspace = hosts.pipeline(hosts.second_host(project))._workspace(0)
    outcome = reproduce_configuration(replace(workspace, lock=until_written), FEW)
    assert _how(outcome) == ["cached"] * 4 and runs() == []


def _wait_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("project", ["folder"], indirect=True)
def test_a_record_without_objects_is_computed_anew_and_completed(project, other, runs, tmp_path):
    """`dvc push --run-cache` leaves such, and so does one who tidies the remote up."""
    hosts.pipeline(project).opened(0)(FEW, None)
    shutil.rmtree(tmp_path / "store" / "files")
    runs()
    hosts.pipeline(other).opened(0)(FEW, None)
    assert _ran(runs) == STAGES
    third = hosts.second_host(other, "third")
    hosts.pipeline(third).opened(0)(FEW, None)
    assert runs() == []


@pytest.mark.parametrize("project", ["folder"], indirect=True)
def test_a_remote_that_refuses_costs_one_notice_and_no_work(project, runs, capsys, tmp_path):
    (tmp_path / "store").write_text("no folder")
    reproduce = hosts.pipeline(project).opened(0)
    assert _how(reproduce(FEW, None)) == ["ran"] * 4
    reproduce(OTHER, None)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("notice: DVC's remote 'store' cannot be used (")
    assert "results stay on this host" in line
    assert _ran(runs) == [*STAGES, "sample", "evaluate"]
    with pytest.raises(UserError, match="DVC's remote 'store' cannot be used"):
        push_results(project, [FEW])
    (tmp_path / "store").unlink()
    assert push_results(project, [FEW, OTHER])[:2] == (6, 6)


@pytest.mark.parametrize("project", ["folder"], indirect=True)
def test_a_remote_is_tried_again_after_a_while(project, tmp_path, monkeypatch):
    (tmp_path / "store").write_text("no folder")
    reproduce = hosts.pipeline(project).opened(0)
    reproduce(FEW, None)
    (tmp_path / "store").unlink()
    reproduce(OTHER, None)
    assert not (tmp_path / "store").exists()
    now = time.monotonic() + remote._PAUSE_SEC
    monkeypatch.setattr("ncsn.sweep.trials.remote.time.monotonic", lambda: now)
    reproduce({**FEW, "sampler.epsilon": 3e-5}, None)
    assert len(list((tmp_path / "store" / "runs").glob("*/*/*"))) == 2  # sample, evaluate


@pytest.mark.parametrize("project", ["folder"], indirect=True)
def test_no_password_of_a_remote_is_shown(project, capsys):
    hosts.use_remote(project, f"webdav://me:{SECRET}@127.0.0.1:9/results")
    hosts.pipeline(project).opened(0)(FEW, None)
    with pytest.raises(UserError) as error:
        push_results(project, [FEW])
    told = capsys.readouterr().err + str(error.value)
    assert "cannot be used" in told and SECRET not in told
    assert SECRET not in "".join(
        path.read_text() for path in (project / ".work").rglob("config*") if path.is_file()
    )


@pytest.mark.parametrize("project", ["folder"], indirect=True)
def test_without_sharing_a_remote_is_left_alone(project, tmp_path):
    hosts.pipeline(project, share=False).opened(0)(FEW, None)
    assert not (tmp_path / "store").exists()


def test_the_results_of_a_study_are_sent_and_its_winner_runs_nothing_elsewhere(
    project, other, runs, tmp_path
):
    """Metrics, which are in no cache of DVC's own, come too; other points stay here."""
    reproduce = hosts.pipeline(project, share=False).opened(0)
    for values in (FEW, OTHER, {**FEW, "sampler.epsilon": 3e-5}):
        metrics = reproduce(values, None).metrics
    reproduce({**OTHER, "sample.seed": 7}, None)  # another draw of a point
    assert push_results(project, [FEW, OTHER])[:2] == (8, 8)
    assert push_results(project, [FEW, OTHER])[:2] == (8, 0)
    runs()
    _apply(other, OTHER)
    _dvc(other, "fetch", "--run-cache")
    said = _dvc(other, "repro", "--pull", "evaluate")
    assert runs() == [] and "Running stage" not in said
    assert json.loads((other / "reports" / "metrics.json").read_text())["eval/fid"] == 2e-3
    assert metrics["eval/fid"] != 2e-3
    _apply(other, {"sampler.epsilon": 3e-5})
    _dvc(other, "repro", "--pull", "evaluate")
    assert runs() == ["sample", "evaluate"]  # it was not asked for


def _apply(main: Path, values):
    from ncsn.config.preset import write_values

    write_values(values, main / "params.yaml")


def _dvc(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("project", ["folder"], indirect=True)
def test_with_an_unknown_dvc_networks_are_shared_by_its_command_line(
    project, other, runs, monkeypatch
):
    monkeypatch.setattr(dvc_repo, "version", lambda name: "4.0.0")
    hosts.pipeline(project).opened(0)(FEW, None)
    runs()
    second = hosts.pipeline(other).opened(0)
    assert _how(second(FEW, None)) == ["cached", "cached", "cached", "ran"]
    assert runs() == ["evaluate"]  # its metrics are in no cache
    with pytest.raises(UserError, match=r"with DVC .*3\.67.* alone"):
        push_results(project, [FEW])


@pytest.mark.parametrize("project", ["folder"], indirect=True)
def test_a_project_without_a_default_remote_shares_nothing_and_is_told(project):
    (project / ".dvc" / "config.local").unlink()
    workspace = hosts.pipeline(project)._workspace(0)
    assert workspace.remote is None
    with pytest.raises(UserError, match="no default remote.*dvc remote add --default"):
        push_results(project, [FEW])

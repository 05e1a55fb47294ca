"""The real pipeline on two hosts of one database: each network is trained once, by one of them."""

import json
import shutil
import subprocess
from pathlib import Path

import hosts
import pytest
from tiny import TINY, environment, output_of, tiny_clone

from ncsn.config.params import SweepParams
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.read import read_study

NAME = "epsilon-digits"
FREE = ("base", "toy", "report")  # no study sets them
SWEEP = ("python", "pipeline/sweep.py")


@pytest.fixture(params=["folder", "s3"])
def clones(tmp_path, request):
    """Two hosts and a third machine, with a default remote in common."""
    here = tiny_clone(tmp_path / "here")
    if request.param == "folder":
        hosts.use_remote(here, str(tmp_path / "store"))
        yield _clones(here)
        return
    for package in ("moto", "s3fs"):
        pytest.importorskip(package, reason="needs the extra s3 and moto[s3]")
    with hosts.s3_server() as (url, settings):
        hosts.use_remote(here, url, **settings)
        yield _clones(here)


def _clones(here: Path) -> list[Path]:
    for published in (here / "reports" / "sweeps").glob(f"{NAME}*"):
        shutil.rmtree(published)
    file = here / "studies" / "epsilon.yaml"
    study = json.loads(file.read_text())  # the tiny one is written so
    budget = {"trials": 3, "hours": 1.0, "confirm": 0}
    fixed = {key: value for key, value in TINY.items() if key.split(".")[0] not in FREE}
    sizes = {"digits": {"preset": "digits", "fixed": fixed, "budget": budget}}
    file.write_text(json.dumps({**study, "draws": 1, "trainings": 2, "sizes": sizes}))
    output_of(here, "git", "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-qam", "two")
    return [here, hosts.second_host(here, "there"), hosts.second_host(here, "later")]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_networks_are_trained_once_and_the_winner_comes_from_the_remote(
    clones, postgres_url, monkeypatch
):
    monkeypatch.setenv("NCSN_SWEEP_STORAGE", postgres_url)
    here, there, later = clones
    run = [*SWEEP, "run", "epsilon", "--no-tracking"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    started = [subprocess.Popen(run, cwd=c, env=environment(), **pipes) for c in (here, there)]
    try:
        said = [process.communicate(timeout=1500)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0], said
    assert "notice" not in "".join(said), said
    params = SweepParams(storage="sqlite:///none.db", heartbeat_sec=5, grace_sec=30, max_retry=2)
    trials = read_study(open_storage(params, here), NAME).trials
    assert not [trial.reason for trial in trials if trial.reason], trials
    trained = [(key, how) for trial in trials for key, how in trial.trained.items()]
    assert len({trial.worker for trial in trials}) == 2
    assert [how for _, how in trained].count("ran") == len({key for key, _ in trained}) == 2
    assert "results of epsilon-digits" in output_of(here, *SWEEP, "push", "epsilon")
    assert "results of epsilon-digits" in output_of(there, *SWEEP, "push", "epsilon")
    output_of(later, *SWEEP, "apply", "epsilon", "--best", "--all")
    (later / "dvc.lock").unlink()  # of the published run, whose outs are nowhere
    output_of(later, "dvc", "fetch", "--run-cache")
    said = output_of(later, "dvc", "repro", "--pull", "evaluate")
    ran = [line for line in said.splitlines() if line.startswith("Running stage")]
    assert ran == ["Running stage 'source':"]  # which always runs

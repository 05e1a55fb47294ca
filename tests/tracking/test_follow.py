"""Live tracking: what a growing log holds, the run has, and nothing of it reaches the training."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ncsn.base.training_names import STEPS_PER_SEC
from ncsn.config.params import load_params
from ncsn.tracking.configuration import present_run
from ncsn.tracking.follow import follow
from ncsn.tracking.key import present_key
from ncsn.tracking.live import SWITCH, following
from ncsn.tracking.run import FINISHED, set_status
from ncsn.tracking.store import Store, open_store

Write = Callable[[Path, int], None]
TRAINING = """
import time
from pathlib import Path
from ncsn.tracking.live import following
with following([Path("work/log.jsonl")], Path("work/previews"), poll_sec=0.1):
    time.sleep(120)
"""


def _opened() -> tuple[Store, str]:
    params = load_params("paths", "track")
    store = open_store(params.track)
    summary = params.paths.data_summary
    return store, str(present_run(store, present_key(summary), summary).info.run_id)


def _state(store: Store, run_id: str) -> tuple[str, list[int]]:
    history = store.client.get_metric_history(run_id, "train/loss")
    status = store.client.get_run(run_id).info.status
    return status, sorted(point.step for point in history)


def _wait_for(store: Store, run_id: str, status: str, steps: list[int]) -> None:
    deadline = time.monotonic() + 60
    while _state(store, run_id) != (status, steps):
        assert time.monotonic() < deadline, _state(store, run_id)
        time.sleep(0.1)


def _followed(monkeypatch: pytest.MonkeyPatch, log: Path, word: str) -> None:
    """One pass of the follower in this process, its parent's word already said."""
    reader, writer = os.pipe()
    os.write(writer, word.encode())
    os.close(writer)
    with open(reader) as ended:
        monkeypatch.setattr(sys, "stdin", ended)
        follow([log], log.parent / "previews", poll_sec=0.1)


def test_a_growing_log_is_mirrored_while_it_grows(
    project: Path, write_log: Write, write_preview: Write
) -> None:
    log, previews = project / "work" / "log.jsonl", project / "work" / "previews"
    speed = project / "work" / "speed.jsonl"
    store, run_id = _opened()
    with following([log, speed], previews, poll_sec=0.1):
        write_log(log, 200)
        _wait_for(store, run_id, "RUNNING", [50, 100, 150, 200])
        write_log(log, 300)
        write_preview(previews, 300)
        speed.write_text('{"step": 300, "train/steps_per_sec": 25.0}\n')
    # the last pass brings what came after the last look
    assert _state(store, run_id) == ("RUNNING", [50, 100, 150, 200, 250, 300])
    history = store.client.get_metric_history(run_id, STEPS_PER_SEC)
    assert [(point.step, point.value) for point in history] == [(300, 25.0)]
    assert any("+step+300+" in i.path for i in store.client.list_artifacts(run_id, "images"))


def test_a_killed_training_ends_its_run_and_the_next_one_goes_on_with_it(
    project: Path, write_log: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = project / "work" / "log.jsonl"
    store, run_id = _opened()
    write_log(log, 150)
    training = subprocess.Popen([sys.executable, "-c", TRAINING])
    _wait_for(store, run_id, "RUNNING", [50, 100, 150])
    training.kill()
    training.wait()
    _wait_for(store, run_id, "KILLED", [50, 100, 150])
    for steps in (100, 200):  # cut back to the checkpoint, then on
        write_log(log, steps)
        _followed(monkeypatch, log, "done")
    assert _state(store, run_id) == ("RUNNING", [50, 100, 150, 200])


@pytest.mark.parametrize(("word", "status"), [("failed", "FAILED"), ("killed", "KILLED")])
def test_the_last_word_decides_how_the_run_ends(
    project: Path, write_log: Write, monkeypatch: pytest.MonkeyPatch, word: str, status: str
) -> None:
    write_log(project / "work" / "log.jsonl", 100)
    _followed(monkeypatch, project / "work" / "log.jsonl", word)
    assert _state(*_opened()) == (status, [50, 100])


def test_a_finished_run_is_left_alone(
    project: Path, write_log: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, run_id = _opened()
    set_status(store.client, run_id, FINISHED)
    write_log(project / "work" / "log.jsonl", 100)
    _followed(monkeypatch, project / "work" / "log.jsonl", "killed")
    assert _state(store, run_id) == (FINISHED, [])


def test_a_failure_of_the_training_is_told_and_passed_on(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = project / "said"
    follower = project / "follower"
    follower.write_text(f"#!/bin/sh\ncat > {said}\n")
    follower.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(follower))
    monkeypatch.delenv(SWITCH, raising=False)
    for error, word in ((ZeroDivisionError, "failed"), (KeyboardInterrupt, "killed")):
        with pytest.raises(error), following([project / "log"], project / "p"):
            raise error
        assert said.read_text() == word


def test_the_switch_turns_it_off(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "0")
    monkeypatch.setattr(subprocess, "Popen", None)
    with following([project / "log"], project / "p"):
        pass


def test_a_follower_that_cannot_start_does_not_stop_the_training(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    done = False
    with following([project / "log"], project / "p"):
        done = True
    assert done and "live tracking not started" in capfd.readouterr().err

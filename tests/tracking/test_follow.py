"""Live tracking in its own process: what a growing log holds, the run has."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ncsn.follow import SWITCH, following
from ncsn.params import load_params
from ncsn.tracking.configuration import present_run
from ncsn.tracking.key import present_key
from ncsn.tracking.store import open_store

Write = Callable[[Path, int], None]


def _run() -> tuple[str, list[int]]:
    params = load_params("paths", "track")
    store = open_store(params.track)
    key = present_key(params.paths.data_summary)
    run = present_run(store, key, params.paths.data_summary)
    history = store.client.get_metric_history(run.info.run_id, "train/loss")
    return run.info.status, sorted(point.step for point in history)


def test_a_growing_log_is_mirrored_while_it_grows(
    project: Path, write_log: Write, write_preview: Write
) -> None:
    log, previews = project / "work" / "log.jsonl", project / "work" / "previews"
    with following(log, previews, poll_sec=0.1):
        write_log(log, 200)
        deadline = time.monotonic() + 60
        while _run()[1] != [50, 100, 150, 200]:
            assert time.monotonic() < deadline
            time.sleep(0.3)
        write_log(log, 300)
        write_preview(previews, 300)
    status, steps = _run()  # the last pass brings what came after the last look
    assert (status, steps) == ("RUNNING", [50, 100, 150, 200, 250, 300])


def test_a_failing_training_ends_its_run(project: Path, write_log: Write) -> None:
    with pytest.raises(ZeroDivisionError), following(project / "log", project / "p", poll_sec=0.1):
        write_log(project / "log", 100)
        _ = 1 / 0
    assert _run() == ("FAILED", [50, 100])


def test_the_switch_turns_it_off(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "0")
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    with following(project / "log", project / "p"):
        pass


def test_a_follower_that_cannot_start_does_not_stop_the_training(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(SWITCH, raising=False)
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    done = False
    with following(project / "log", project / "p"):
        done = True
    assert done and "live tracking not started" in capfd.readouterr().err

"""The rows of a growing log: each is handed on once, whatever happens to the file."""

import json
from pathlib import Path

import pytest

from ncsn.sweep.trials import rows
from ncsn.sweep.trials.outcome import Stopped
from ncsn.sweep.trials.rows import TrainingRows


def _write(log, *steps):
    log.write_text("".join(json.dumps({"step": step, "loss": 1.0}) + "\n" for step in steps))


def test_rows_of_a_log_that_is_cut_back_are_handed_on_once(tmp_path):
    log, seen = tmp_path / "log.jsonl", []
    reader = TrainingRows(lambda row: seen.append(row["step"]))
    reader.read(log)
    for steps in ((1, 2, 3), (1, 2), (1, 2, 3, 4)):
        _write(log, *steps)
        reader.read(log)
    assert seen == [1, 2, 3, 4]


def test_a_log_that_goes_away_while_it_is_read_is_read_where_it_went(tmp_path, monkeypatch):
    live, result, seen = tmp_path / "live.jsonl", tmp_path / "result.jsonl", []
    reader = TrainingRows(lambda row: seen.append(row["step"]))
    _write(live, 1, 2)
    read_log = rows.read_log

    def too_late(log: Path):
        live.rename(result)
        return read_log(log)

    monkeypatch.setattr(rows, "read_log", too_late)
    reader.read(live)
    assert seen == []
    monkeypatch.undo()
    reader.read(result)
    assert seen == [1, 2]


def test_true_ends_the_reading(tmp_path):
    log = tmp_path / "log.jsonl"
    _write(log, 1, 2, 3)
    with pytest.raises(Stopped) as stopped:
        TrainingRows(lambda row: row["step"] == 2).read(log)
    assert stopped.value.row["step"] == 2

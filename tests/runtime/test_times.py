"""Seconds are noted beside the outs and found by what an out holds."""

import pytest

from ncsn.runtime.times import note_seconds, noted_seconds


@pytest.fixture
def result(tmp_path):
    path = tmp_path / "out" / "samples.npz"
    path.parent.mkdir()
    path.write_bytes(b"images")
    return path


def test_a_result_that_comes_back_has_the_seconds_of_its_own_run(tmp_path, result):
    note_seconds(result, 83.26, tmp_path)
    result.write_bytes(b"other images")
    assert noted_seconds(result, tmp_path) is None
    note_seconds(result, 7, tmp_path)
    result.write_bytes(b"images")
    assert noted_seconds(result, tmp_path) == 83.3


def test_nothing_is_left_beside_the_result(tmp_path, result):
    note_seconds(result, 1.0, tmp_path / "work")
    assert list(result.parent.iterdir()) == [result]


def test_workspaces_that_share_their_work_share_the_seconds(tmp_path, result, monkeypatch):
    monkeypatch.setenv("NCSN_WORK", str(tmp_path / "shared"))
    note_seconds(result, 5.0, tmp_path / "one")
    assert noted_seconds(result, tmp_path / "other") == 5.0

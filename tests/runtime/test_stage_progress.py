"""Headings of stages from DVC's own words, and the seconds kept for the next run."""

import pytest

from ncsn.runtime.stage_progress import (
    SECONDS,
    StageProgress,
    headed,
    read_stage_seconds,
    write_stage_seconds,
)

STAGES = ("prepare", "train", "sample", "toy")


def _progress(seconds=None, times=()):
    clock = iter(times)
    return StageProgress(STAGES, seconds or {}, lambda: next(clock))


def test_stages_that_are_skipped_or_cached_count_and_get_no_heading():
    lines = [
        "Stage 'prepare' didn't change, skipping\n",
        "Stage 'train' is cached - skipping run, checking out outputs\n",
        "Running stage 'sample':\n",
        "> exec python pipeline/sample.py\n",
    ]
    told = "".join(headed(iter(lines), _progress(times=[0.0])))
    assert told == "".join([*lines[:2], "\nstage 3 of 4: sample\n", *lines[2:]])


def test_the_time_told_is_that_of_the_stage_and_of_those_not_yet_done():
    seconds = {"prepare": 1, "train": 60, "sample": 20, "toy": 30}
    progress = _progress(seconds, [0.0, 5.0, 5.0])
    assert progress.read("Running stage 'prepare':") == (
        "stage 1 of 4: prepare; it and all that is left took 1 min 51 s when they last ran"
    )
    progress.read("Stage 'train' is cached - skipping run")
    assert "took 50 s when" in progress.read("Running stage 'toy':"), "sample is left"
    assert progress.seconds["prepare"] == 5.0, "the run that is noted is the last one"


def test_without_a_time_for_each_no_sum_is_told():
    progress = _progress({"train": 60}, [0.0])
    assert progress.read("Running stage 'prepare':") == "stage 1 of 4: prepare"


@pytest.mark.parametrize(
    "line", ["Running stage 'another':", "Running stages", "  Running stage 'train':", "loss 3"]
)
def test_lines_that_are_not_dvcs_about_a_stage_say_nothing(line):
    assert _progress().read(line) is None


def test_a_stage_that_did_not_end_leaves_no_time():
    progress = _progress(times=[0.0])
    progress.read("Running stage 'train':")
    assert progress.seconds == {}


def test_seconds_are_kept_and_a_damaged_file_is_as_none(tmp_path):
    assert read_stage_seconds(tmp_path) == {}
    write_stage_seconds(tmp_path, {"train": 3.5})
    assert read_stage_seconds(tmp_path) == {"train": 3.5}
    (tmp_path / SECONDS).write_text("{")
    assert read_stage_seconds(tmp_path) == {}

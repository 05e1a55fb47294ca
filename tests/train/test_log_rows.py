"""Numbers that follow from the rows of a training log."""

import pytest

from ncsn.train.log_rows import training_seconds


def test_seconds_of_training_add_up_over_lines_of_different_speed():
    log = [
        {"step": 10, "train/steps_per_sec": 5.0},
        {"step": 15, "val/loss": 1.0},
        {"step": 40, "train/steps_per_sec": 10.0},
    ]
    assert training_seconds(log) == pytest.approx(2 + 3)

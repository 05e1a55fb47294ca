"""What comes of one configuration: its metrics and how each stage went, or why there are none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ncsn.base.errors import UserError

RAN, CACHED, UNCHANGED = "ran", "cached", "unchanged"


class StageOutcome(NamedTuple):
    """How a stage went.

    Attributes:
        stage: its name.
        status: "ran"; "cached", where DVC's run-cache had its outs; "unchanged", where they lay.
        seconds: wall time with hashing and linking, and with the wait for another worker that was
            running the same.
    """

    stage: str
    status: str
    seconds: float


class Outcome(NamedTuple):
    """A reproduced configuration; `samples` and `log` stand until the workspace's next one.

    `metrics` holds reports/metrics.json and, under `sample/`, the summary of the draw.
    `train_key` is equal for two configurations that share their network.
    """

    metrics: dict[str, float | str]
    stages: tuple[StageOutcome, ...]
    train_key: str
    seconds: float
    samples: Path
    log: Path


class Stopped(Exception):
    """`on_row` asked for the end of a training; `row` is the row that it saw last."""

    def __init__(self, row: Mapping[str, Any]):
        super().__init__(f"stopped at step {row.get('step')}")
        self.row = dict(row)


class StageFailed(UserError):
    """A stage ended with an error; the message names the stage and gives its last words."""


class StageKilled(StageFailed):
    """A signal ended a stage, as the system does where memory runs out; it may work next time."""


class NoRoom(UserError):
    """A disk is full, which is no trial's fault."""

"""One trial of a study, as plain values: the one form of it from the worker to the report.

Neither Optuna nor MLflow is needed to make or read a record. `as_attrs` gives the values in the
form in which Optuna keeps them, `from_attrs` reads them back.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

State = Literal["complete", "pruned", "failed", "running"]
TRIALS_FILE, STUDY_FILE = "trials.csv", "study.json"  # of a study's folder of reports
SAMPLES_FOLDER = "samples"  # in it: PNG files of a few images of some trials
EDGE_SHARE = 0.05  # of a range, on its own scale: a best trial within it is at the edge
ATTRS = (  # what a trial's own attributes hold; all else Optuna knows itself
    "origin",
    "worker",
    "stages",
    "seconds",
    "train_key",
    "trained",
    "metrics",
    "by_seed",
    "values",
    "seeds",
    "train_seeds",
    "reason",
    "started",
    "finished",
)


@dataclass(frozen=True)
class TrialRecord:
    """A trial.

    Attributes:
        number: its place in the study, from 0.
        state: how it ended, or that it has not.
        values: dotted params keys and the values that it overrode.
        metrics: numbers (means over the seeds), and strings that are their conditions, by the keys
            of metrics.json.
        by_seed: with several draws, each number of `metrics` at each of them, those of the first
            training first.
        stages: how each stage came to its result: "ran", "cached" or "unchanged".
        seconds: wall time of each stage.
        train_key: key of its first training; equal keys mean the same network. None before it is
            known.
        trained: how each training came to its result, as `stages`, by its key.
        worker: who ran it.
        origin: "advised", "present" or "sampler": who chose the values.
        reason: why it was pruned or failed, None for the others.
        started: UTC, ISO 8601.
        finished: UTC, ISO 8601; None while it runs.
        seeds: seeds of the samples, one per draw, those of the first training first.
        train_seeds: seeds of the trainings, each with an equal share of the draws.
        samples: .npz of the images of its first draw, None without one.
        train_log: train_log.jsonl of its first training, None without one.
        point: value of each active axis of the study.
        objectives: value of each objective, None unless it is complete.
        feasible: whether it keeps the study's constraints.
    """

    number: int
    state: State
    values: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float | str] = field(default_factory=dict)
    by_seed: Mapping[str, list[float]] = field(default_factory=dict)
    stages: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    train_key: str | None = None
    trained: Mapping[str, str] = field(default_factory=dict)
    worker: str | int | None = None
    origin: str = "sampler"
    reason: str | None = None
    started: str | None = None
    finished: str | None = None
    seeds: tuple[int, ...] = ()
    train_seeds: tuple[int, ...] = ()
    samples: Path | None = None
    train_log: Path | None = None
    point: Mapping[str, Any] = field(default_factory=dict)
    objectives: tuple[float, ...] | None = None
    feasible: bool = True

    def as_attrs(self) -> dict[str, Any]:
        """Returns the attributes of ATTRS as JSON values."""
        record = asdict(self)
        return {name: _json(record[name]) for name in ATTRS}

    @classmethod
    def from_attrs(cls, number: int, state: State, attrs: Mapping[str, Any], **known: Any) -> Self:
        """Returns the record that a trial's attributes describe; missing ones take defaults.

        Args:
            number: of the trial.
            state: of the trial.
            attrs: as `as_attrs` gives them, and others, which are left alone.
            known: fields that no attribute holds.
        """
        found = {name: attrs[name] for name in ATTRS if attrs.get(name) is not None}
        seeds = {name: tuple(found.get(name, ())) for name in ("seeds", "train_seeds")}
        return cls(number, state, **found | seeds | known)

    def may_be_best(self) -> bool:
        """Whether it has a result within the study's constraints."""
        return self.objectives is not None and self.feasible

    @property
    def num_trainings(self) -> int:
        """Number of trainings; an earlier version had one and did not note its seed."""
        return max(1, len(self.train_seeds))

    def networks(self) -> Mapping[str, str]:
        """Returns how each of its trainings came to its result, by the training's key."""
        status = self.stages.get("train")
        one = {self.train_key: status} if self.train_key and status else {}
        return self.trained or one

    def wall_seconds(self) -> float:
        """Seconds of all its stages together."""
        return math.fsum(self.seconds.values())  # whatever their order


def _json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value

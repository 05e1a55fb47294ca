"""One trial: a point, its values through the pipeline once per draw, what came of it.

Whatever goes wrong ends the trial with a reason, never the study. What is known of a trial is
written to its attributes, as `TrialRecord` names them. What is no fault of the point, such as a
full disk or a lost database, keeps it for another try.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean

import optuna
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError

from ncsn.base.addresses import masked
from ncsn.base.entry import full_disk
from ncsn.base.errors import Diverged, UserError
from ncsn.base.trial_record import State, TrialRecord
from ncsn.sweep.search.pictures import keep_samples
from ncsn.sweep.search.points import reporting, suggested_point
from ncsn.sweep.search.retries import KEPT, KILLED, PUT_BACK
from ncsn.sweep.studies.plan import Plan, evaluations_of
from ncsn.sweep.studies.seeds import Seeds, repeated, search_seeds
from ncsn.sweep.studies.study import EVALUATIONS, PrunerSpec
from ncsn.sweep.trials.outcome import (
    CACHED,
    RAN,
    UNCHANGED,
    NoRoom,
    Outcome,
    StageKilled,
    Stopped,
)
from ncsn.sweep.trials.pipeline import Reproduce

OnRecord = Callable[[TrialRecord], str | None]
EVALUATIONS_CONSTRAINT = "network_evaluations_per_image"
INTERRUPTED = "interrupted, to be tried again"
RUN_ID = "mlflow_run_id"
TRAIN = "train"


class TrialFailed(Exception):
    """The trial is over without a result; its record says why."""


class Interrupted(BaseException):
    """The worker has been asked to stop."""


class Adrift(BaseException):
    """The database did not answer, or gave the trial to another worker.

    Optuna would write an exception down as the trial's failure.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"trial {number}")
        self.number = number


@dataclass(frozen=True)
class Objective:
    """What Optuna calls for each trial.

    Attributes:
        plan: the study.
        worker: name of the worker.
        reproduce: runs the pipeline with dotted values.
        on_point: called when the trial's point is known, before any work.
        artifacts: folder that keeps a few images of each trial.
        on_record: gets the record, first of the running and then of the ended trial; returns the
            id of the trial's MLflow run, None without one.
    """

    plan: Plan
    worker: str
    reproduce: Reproduce
    on_point: Callable[[], None]
    on_record: OnRecord
    artifacts: Path

    def __call__(self, trial: optuna.Trial) -> tuple[float, ...]:
        """Returns the objectives of the trial's point, means over the draws.

        Raises:
            TrialPruned: the pruner ended it, it must not run, or its numbers diverged.
            TrialFailed: anything else went wrong, or the worker was asked to stop.
            NoRoom: a disk is full; the point is to be tried again.
            Adrift: it is no longer known how the trial stands.
        """
        try:
            return self._tried(trial)
        except (StorageInternalError, UpdateFinishedTrialError) as error:
            raise Adrift(trial.number) from error

    def _tried(self, trial: optuna.Trial) -> tuple[float, ...]:
        started = self._started(trial)
        outcomes: list[Outcome] = []
        ending: Exception = TrialFailed()
        try:
            self._check(trial, started)
            for outcome in self._outcomes(trial, started):
                if not outcomes:  # the next draw takes their place
                    keep_samples(trial, outcome.samples, self.artifacts)
                outcomes.append(outcome)
            ended = with_outcomes(started, outcomes)
            ended = replace(ended, state="complete", objectives=self._objectives(ended))
        except (StorageInternalError, UpdateFinishedTrialError):
            raise
        except (Exception, Interrupted) as error:
            fault = no_room(error) or error
            state, reason = _ending(fault, self.plan.spec.pruner)
            reason = masked(reason)
            ended = replace(with_outcomes(started, outcomes), state=state, reason=reason)
            ending = _raised(fault, state, reason)
            if isinstance(fault, Interrupted | NoRoom | StageKilled):
                trial.set_user_attr(PUT_BACK, KILLED if isinstance(fault, StageKilled) else KEPT)
        self._publish(trial, replace(ended, finished=_now()))
        if ended.objectives is not None:
            return ended.objectives
        raise ending

    def _started(self, trial: optuna.Trial) -> TrialRecord:
        plan = self.plan
        point = suggested_point(trial, plan.space, plan.shared())
        self.on_point()
        values = plan.values(point)
        seeds = search_seeds(plan, values)
        record = TrialRecord(
            number=trial.number,
            state="running",
            point=point,
            values=values,
            worker=self.worker,
            origin=trial.user_attrs.get("origin", "sampler"),
            seeds=seeds.samples,
            train_seeds=seeds.trainings,
            started=_now(),
        )
        self._publish(trial, record)
        return record

    def _check(self, trial: optuna.Trial, started: TrialRecord) -> None:
        excess = self.plan.excess(started.values)
        if excess is not None:
            trial.set_constraint(EVALUATIONS_CONSTRAINT, excess)
        objection = self.plan.objection(started.values)
        if objection is not None:
            raise optuna.TrialPruned(objection)

    def _outcomes(self, trial: optuna.Trial, started: TrialRecord) -> Iterator[Outcome]:
        """One for each draw; the pruner sees the first training alone, once."""
        on_row = reporting(trial, self.plan.spec.pruner)
        seeds = Seeds(started.train_seeds, started.seeds)
        for values in repeated(self.plan, started.values, seeds.pairs()):
            yield self.reproduce(values, on_row)
            on_row = None

    def _objectives(self, record: TrialRecord) -> tuple[float, ...]:
        objectives = []
        for name in self.plan.spec.objectives:
            value = record.metrics.get(name)
            if not isinstance(value, int | float):
                raise UserError(f"objectives.{name}: the metrics have no such number")
            if not math.isfinite(value):
                raise Diverged(f"{name} is {value}")
            objectives.append(float(value))
        return tuple(objectives)

    def _publish(self, trial: optuna.Trial, record: TrialRecord) -> None:
        for name, value in record.as_attrs().items():
            if trial.user_attrs.get(name) != value:
                trial.set_user_attr(name, value)
        run_id = self.on_record(record)
        if run_id is not None and trial.user_attrs.get(RUN_ID) != run_id:
            trial.set_user_attr(RUN_ID, run_id)


def with_outcomes(record: TrialRecord, outcomes: Sequence[Outcome]) -> TrialRecord:
    """Returns the record with what the runs of all draws gave.

    Numbers are means over the draws. A stage "ran" when it ran for any draw; its seconds are sums.
    """
    if not outcomes:
        return record
    first, stages, seconds = outcomes[0], dict[str, str](), dict[str, float]()
    trained: dict[str, str] = {}
    for outcome in outcomes:
        for name, status, took in outcome.stages:
            both = (stages.get(name, UNCHANGED), status)
            stages[name] = next(one for one in (RAN, CACHED, UNCHANGED) if one in both)
            seconds[name] = seconds.get(name, 0.0) + took
            if name == TRAIN:  # later draws of a training find it as it lies
                trained.setdefault(outcome.train_key, status)
    numbers = [k for k, v in first.metrics.items() if isinstance(v, int | float)]
    by_seed = {key: [float(o.metrics[key]) for o in outcomes] for key in numbers}
    metrics = dict(first.metrics) | {key: fmean(values) for key, values in by_seed.items()}
    metrics[EVALUATIONS] = float(evaluations_of(record.values))
    return replace(
        record,
        metrics=metrics,
        by_seed=by_seed if len(outcomes) > 1 else {},
        stages=stages,
        seconds=seconds,
        train_key=first.train_key,
        trained=trained,
        samples=first.samples,
        train_log=first.log,
    )


def no_room(error: BaseException) -> NoRoom | None:
    """Returns the complaint of a full disk, None for an error of another kind."""
    line = full_disk(error)
    return error if isinstance(error, NoRoom) else NoRoom(line) if line else None


def _raised(fault: BaseException, state: State, reason: str) -> Exception:
    """What tells Optuna, and the worker of a full disk."""
    if isinstance(fault, NoRoom):
        return fault
    return optuna.TrialPruned(reason) if state == "pruned" else TrialFailed(reason)


def _ending(error: BaseException, pruner: PrunerSpec) -> tuple[State, str]:
    """State and reason of a trial that ended without objectives."""
    if isinstance(error, Interrupted):
        return "failed", INTERRUPTED
    if isinstance(error, Stopped):
        step, value = error.row.get("step"), error.row.get(pruner.metric)
        return "pruned", f"{pruner.name} pruner at step {step}: {pruner.metric} {value}"
    if isinstance(error, Diverged):
        return "pruned", f"diverged: {error}"
    if isinstance(error, optuna.TrialPruned):
        return "pruned", str(error)
    if isinstance(error, UserError):
        return "failed", str(error)
    return "failed", f"{type(error).__name__}: {error}"


def _now() -> str:
    return datetime.now(UTC).isoformat()

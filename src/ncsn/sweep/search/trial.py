"""One trial: a point, its values through the DAG once a seed, what came of it.

Whatever goes wrong ends the trial with a reason, never the study. What is known of a trial is
written to its attributes, as `TrialRecord` names them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

import optuna

from ncsn.base.errors import Diverged, UserError
from ncsn.base.trial_record import TrialRecord
from ncsn.sweep.search.pruning import OnRow, reporting
from ncsn.sweep.search.suggest import suggest_point
from ncsn.sweep.studies.plan import Plan, evaluations_per_image
from ncsn.sweep.studies.study import EVALUATIONS
from ncsn.sweep.trials.outcome import CACHED, RAN, UNCHANGED, Outcome, Stopped

Reproduce = Callable[[Mapping[str, Any], OnRow | None], Outcome]
OnRecord = Callable[[TrialRecord, Mapping[str, Any]], str | None]
EVALUATIONS_CONSTRAINT = "network_evaluations_per_image"
INTERRUPTED = "interrupted, to be tried again"
RUN_ID = "mlflow_run_id"


class TrialFailed(Exception):
    """The trial is over without a result; its record says why."""


class Interrupted(BaseException):
    """The worker has been asked to stop."""


@dataclass(frozen=True)
class Objective:
    """What Optuna calls for each trial.

    Attributes:
        plan: the study.
        worker: number of the worker.
        reproduce: runs the DAG with dotted values.
        on_point: called when the trial's point is known, before any work.
        on_record: gets the record and the point, first as running and then as ended; returns the
            id of the trial's MLflow run, None without one.
    """

    plan: Plan
    worker: int
    reproduce: Reproduce
    on_point: Callable[[], None]
    on_record: OnRecord

    def __call__(self, trial: optuna.Trial) -> float | tuple[float, ...]:
        """Returns the objectives of the trial's point, means over the seeds.

        Raises:
            TrialPruned: the pruner ended it, it must not run, or its numbers diverged.
            TrialFailed: anything else went wrong, or the worker was asked to stop.
        """
        plan = self.plan
        point = suggest_point(trial, plan.space, {**plan.fixed, **plan.forced})
        self.on_point()
        values = plan.values(point)
        record = TrialRecord(
            number=trial.number,
            state="running",
            values=values,
            worker=self.worker,
            origin=trial.user_attrs.get("origin", "sampler"),
            seeds=plan.seeds(),
            started=_now(),
        )
        self._publish(trial, record)
        outcomes: list[Outcome] = []
        try:
            self._check(trial, values)
            on_row = reporting(trial, plan.spec.pruner)
            for seed in plan.seeds():
                outcomes.append(self.reproduce({**values, "sample.seed": seed}, on_row))
                on_row = None
            record = with_outcomes(record, outcomes)
            objectives = self._objectives(record)
        except (Exception, Interrupted) as error:
            state, reason = _ending(error, plan)
            ended = replace(
                with_outcomes(record, outcomes), state=state, reason=reason, finished=_now()
            )
            self._publish(trial, ended)
            if state == "pruned":
                raise optuna.TrialPruned(reason) from error
            raise TrialFailed(reason) from error
        self._publish(trial, replace(record, state="complete", finished=_now()))
        return objectives

    def _check(self, trial: optuna.Trial, values: Mapping[str, Any]) -> None:
        excess = self.plan.excess(values)
        if excess is not None:
            trial.set_constraint(EVALUATIONS_CONSTRAINT, excess)
        objection = self.plan.objection(values)
        if objection is not None:
            raise optuna.TrialPruned(objection)

    def _objectives(self, record: TrialRecord) -> float | tuple[float, ...]:
        objectives = []
        for name in self.plan.spec.objectives:
            value = record.metrics.get(name)
            if not isinstance(value, int | float):
                raise UserError(f"objectives.{name}: the metrics have no such number")
            if not math.isfinite(value):
                raise Diverged(f"{name} is {value}")
            objectives.append(float(value))
        return objectives[0] if len(objectives) == 1 else tuple(objectives)

    def _publish(self, trial: optuna.Trial, record: TrialRecord) -> None:
        for name, value in record.as_attrs().items():
            if trial.user_attrs.get(name) != value:
                trial.set_user_attr(name, value)
        run_id = self.on_record(record, trial.params)
        if run_id is not None and trial.user_attrs.get(RUN_ID) != run_id:
            trial.set_user_attr(RUN_ID, run_id)


def with_outcomes(record: TrialRecord, outcomes: Sequence[Outcome]) -> TrialRecord:
    """Returns the record with what the runs of all seeds gave.

    Numbers are means over the seeds. A stage "ran" when it ran for any seed; its seconds are sums.
    """
    if not outcomes:
        return record
    first, stages, seconds = outcomes[0], dict[str, str](), dict[str, float]()
    for outcome in outcomes:
        for stage in outcome.stages:
            hows = (stages.get(stage.stage, UNCHANGED), stage.how)
            stages[stage.stage] = next(how for how in (RAN, CACHED, UNCHANGED) if how in hows)
            seconds[stage.stage] = seconds.get(stage.stage, 0.0) + stage.seconds
    numbers = [k for k, v in first.metrics.items() if isinstance(v, int | float)]
    by_seed = {key: [float(o.metrics[key]) for o in outcomes] for key in numbers}
    metrics = dict(first.metrics) | {key: fmean(values) for key, values in by_seed.items()}
    metrics[EVALUATIONS] = float(evaluations_per_image(record.values))
    return replace(
        record,
        metrics=metrics,
        by_seed=by_seed if len(outcomes) > 1 else {},
        stages=stages,
        seconds=seconds,
        train_key=first.train_key,
        samples=first.samples,
        train_log=first.log,
    )


def _ending(error: BaseException, plan: Plan) -> tuple[Any, str]:
    """State and reason of a trial that ended without objectives."""
    if isinstance(error, Interrupted):
        return "failed", INTERRUPTED
    if isinstance(error, Stopped):
        metric = plan.spec.pruner.metric
        step, value = error.row.get("step"), error.row.get(metric)
        return "pruned", f"{plan.spec.pruner.name} pruner at step {step}: {metric} {value}"
    if isinstance(error, Diverged):
        return "pruned", f"diverged: {error}"
    if isinstance(error, optuna.TrialPruned):
        return "pruned", str(error)
    if isinstance(error, UserError):
        return "failed", str(error)
    return "failed", f"{type(error).__name__}: {error}"


def _now() -> str:
    return datetime.now(UTC).isoformat()

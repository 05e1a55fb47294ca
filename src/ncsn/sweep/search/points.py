"""Which points are tried and which are given up: Optuna's samplers and pruners.

Training writes a row of its log as it goes; the same rows are replayed when it came from the
cache, so a pruner knows the curve of every trial.
"""

import math
import time
import warnings
from collections.abc import Mapping
from typing import Any

import optuna
from optuna import pruners, samplers

from ncsn.sweep.search.membership import Limits
from ncsn.sweep.search.study import Tally
from ncsn.sweep.studies.plan import Plan, grid_points
from ncsn.sweep.studies.space import AxisType, FloatAxis, IntAxis, is_active, values_of
from ncsn.sweep.studies.study import PrunerSpec, SamplerSpec
from ncsn.sweep.trials.pipeline import OnRow


def built_sampler(spec: SamplerSpec, worker: int, num_trials: int) -> samplers.BaseSampler:
    """Returns a worker's sampler.

    Args:
        spec: the study's.
        worker: its number; two workers with one seed would draw the same first points.
        num_trials: of the study so far; a study that goes on would repeat its first points.
    """
    seed = spec.seed + 1000 * num_trials + worker
    if spec.name == "tpe":
        return samplers.TPESampler(seed=seed)
    if spec.name == "gp":
        return samplers.GPSampler(seed=seed)
    if spec.name == "nsga2":
        return samplers.NSGAIISampler(seed=seed, population_size=16)
    if spec.name == "qmc":  # one sequence for all workers, its next point is kept in the study
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return samplers.QMCSampler(
                qmc_type="sobol",
                scramble=True,
                seed=spec.seed,
                independent_sampler=samplers.RandomSampler(seed=seed),
                warn_independent_sampling=False,
                warn_asynchronous_seeding=False,
            )
    return samplers.RandomSampler(seed=seed)  # a grid's points are all in the queue


def suggested_point(
    trial: optuna.Trial, space: Mapping[str, AxisType], fixed: Mapping[str, Any]
) -> dict[str, Any]:
    """Asks Optuna for every active axis, in the order of the space.

    Args:
        trial: a trial of a study.
        space: axes by name.
        fixed: values of the keys that no axis changes, for conditions.

    Returns:
        The point.
    """
    point: dict[str, Any] = {}
    for name, axis in space.items():
        if not is_active(axis, values_of(point, space, fixed)):
            continue
        if isinstance(axis, FloatAxis):
            point[name] = trial.suggest_float(name, axis.low, axis.high, log=axis.log)
        elif isinstance(axis, IntAxis):
            point[name] = trial.suggest_int(name, axis.low, axis.high, log=axis.log)
        else:
            point[name] = trial.suggest_categorical(name, list(axis.choices))
    return point


def next_grid_points(plan: Plan, study: optuna.Study) -> list[dict[str, Any]]:
    """Returns the points of the grid that no trial of the study has had."""
    trials = study.get_trials(deepcopy=False)
    had = [trial.system_attrs.get("fixed_params", trial.params) for trial in trials]
    return [point for point in grid_points(plan) if point not in had]


def built_pruner(spec: PrunerSpec) -> pruners.BasePruner:
    """Returns the study's pruner; steps are training steps."""
    if spec.name == "none":
        return pruners.NopPruner()
    if spec.name == "hyperband":
        return pruners.HyperbandPruner(min_resource=max(1, spec.warmup_steps))
    percentile = 50.0 if spec.name == "median" else spec.percentile
    return pruners.PercentilePruner(
        percentile, n_startup_trials=spec.startup_trials, n_warmup_steps=spec.warmup_steps
    )


def reporting(trial: optuna.Trial, spec: PrunerSpec) -> OnRow | None:
    """Returns what is told every row of the training log and says whether to stop.

    None where nothing is pruned. A row that is not a number is left to the training stage, which
    ends with the reason.
    """
    if spec.name == "none":
        return None

    def on_row(row: Mapping[str, Any]) -> bool:
        value = row.get(spec.metric)
        if value is None or not math.isfinite(value):
            return False
        trial.report(float(value), int(row["step"]))
        return trial.should_prune()

    return on_row


def is_point_left(study: optuna.Study, plan: Plan, limits: Limits, now: Tally) -> bool:
    """Whether a trial may start; the next point of a grid is then in the queue.

    Args:
        study: the study.
        plan: the study's.
        limits: when it ends.
        now: its trials.
    """
    if time.time() >= limits.deadline or len(now.ended) + len(now.running) >= limits.trials:
        return False  # a retry may wait then, since first points are before it in the queue
    if now.retries or now.queued or plan.spec.sampler.name != "grid":
        return True
    points = next_grid_points(plan, study)
    if points:
        study.enqueue_trial(points[0], user_attrs={"origin": "sampler"})
    return bool(points)

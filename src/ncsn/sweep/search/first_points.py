"""The points a study starts from: what NCSNv2's rules advise, and what params.yaml has now.

The rules are applied to the axes alone: where the ladder is fixed, epsilon is advised for that
ladder, not for the one that the rules would choose.
"""

from collections.abc import Callable, Mapping
from typing import Any

import optuna
from optuna.trial import TrialState

from ncsn.base.dotted import flattened
from ncsn.base.errors import UserError
from ncsn.config.advice import DataFacts
from ncsn.maths.techniques import SIGMA_MIN, advised_epsilon, advised_num_levels, ladder_ratio
from ncsn.sweep.results.status import point_text
from ncsn.sweep.search.optuna_private import storage_of
from ncsn.sweep.search.study import study_names
from ncsn.sweep.studies.plan import Plan
from ncsn.sweep.studies.space import FloatAxis, IntAxis, projected
from ncsn.sweep.trials.pipeline import Pipeline

_DIGITS = 3  # significant ones, of advised values


def enqueue_first(study: optuna.Study, plan: Plan, pipeline: Pipeline) -> None:
    """Queues the advised point, that of params.yaml and those of `same_points`, each once."""
    points: dict[str, dict[str, Any] | None] = {"advised": None}
    try:
        points["advised"] = advised_point(plan, pipeline.data_facts(plan.values({})))
    except UserError as error:
        print(f"no advised point: {error}", flush=True)
    points["present"] = present_point(plan)
    queued: list[dict[str, Any]] = []
    for origin, point in points.items():
        if point is None:
            continue
        study.set_user_attr(origin, point)
        if point not in queued:
            study.enqueue_trial(point, user_attrs={"origin": origin}, skip_if_exists=True)
            queued.append(point)
            print(f"{origin} point: {point_text(point)}", flush=True)
    for point in _points_of_another(study, plan):
        if point not in queued:
            study.enqueue_trial(point, user_attrs={"origin": "sampler"}, skip_if_exists=True)


def _points_of_another(study: optuna.Study, plan: Plan) -> list[dict[str, Any]]:
    """Points at which the study of `same_points` has a result: their ranks can be compared."""
    if plan.spec.same_points is None:
        return []
    name = plan.name.replace(plan.study, plan.spec.same_points, 1)
    storage = storage_of(study)
    if name not in study_names(storage):
        print(f"'{name}' has not been run; the sampler chooses all points", flush=True)
        return []
    other = optuna.load_study(study_name=name, storage=storage)
    return [dict(trial.params) for trial in other.get_trials(states=(TrialState.COMPLETE,))]


def present_point(plan: Plan) -> dict[str, Any] | None:
    """Returns params.yaml on the study's axes, None where its choice is none of theirs."""
    return projected(flattened(plan.params), plan.space, plan.shared())


def advised_point(plan: Plan, data: DataFacts) -> dict[str, Any] | None:
    """Returns the advised values of the study's axes, clipped to their ranges.

    Each rule sees what the ones before it gave: sigma_max by Technique 1, num_levels by
    Technique 2, steps_per_level by the budget, epsilon by Technique 4. What has no rule keeps the
    study's own value.

    Args:
        plan: the study.
        data: of the training images.

    Returns:
        The point; None where no axis has a rule, or the study's own value is no choice of an axis.
    """
    values = plan.values({})
    rules: dict[str, Callable[[Mapping[str, Any]], float]] = {
        "noise.sigma_max": lambda v: data.largest_distance,
        "noise.sigma_min": lambda v: SIGMA_MIN,
        "noise.num_levels": lambda v: advised_num_levels(*_ends(v), data.dim),
        "sampler.steps_per_level": lambda v: _steps(plan, v),
        "sampler.epsilon": _epsilon,
    }
    ruled = [key for key in rules if isinstance(plan.space.get(key), FloatAxis | IntAxis)]
    for key in ruled:
        values[key] = _clipped(rules[key](values), plan.space[key])
    return projected(values, plan.space, plan.shared()) if ruled else None


def _ends(values: Mapping[str, Any]) -> tuple[float, float]:
    return values["noise.sigma_max"], values["noise.sigma_min"]


def _epsilon(values: Mapping[str, Any]) -> float:
    ratio = ladder_ratio(*_ends(values), values["noise.num_levels"])
    return advised_epsilon(values["noise.sigma_min"], ratio, values["sampler.steps_per_level"])


def _steps(plan: Plan, values: Mapping[str, Any]) -> int:
    """The study's own number, less where the ladder leaves less of the budget."""
    own, limit = values["sampler.steps_per_level"], plan.budget.network_evaluations_per_image
    if limit is None:
        return int(own)
    left = (limit - values["sampler.final_denoise"]) // values["noise.num_levels"]
    return max(1, min(own, left))


def _clipped(value: float, axis: Any) -> float:
    rounded = value if isinstance(axis, IntAxis) else float(f"{value:.{_DIGITS}g}")
    return type(axis.low)(min(max(rounded, axis.low), axis.high))

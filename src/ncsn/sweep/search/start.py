"""The points a study starts from: what NCSNv2's rules advise, and what params.yaml has now.

The rules are applied to the axes alone: where the ladder is fixed, epsilon is advised for that
ladder, not for the one that the rules would choose.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ncsn.config.advice import DataFacts
from ncsn.maths.techniques import SIGMA_MIN, advised_epsilon, advised_num_levels, ladder_ratio
from ncsn.sweep.studies.plan import Plan
from ncsn.sweep.studies.space import FloatAxis, IntAxis, projected

_DIGITS = 3  # significant ones, of advised values


def present_point(plan: Plan) -> dict[str, Any] | None:
    """Returns params.yaml on the study's axes, None where it has a choice that they lack."""
    params = plan.params
    now = {f"{name}.{key}": value for name in params for key, value in params[name].items()}
    return projected(now, plan.space, {**plan.fixed, **plan.forced})


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
    return projected(values, plan.space, {**plan.fixed, **plan.forced}) if ruled else None


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

"""What a study's keys and values must keep: the rules of params.yaml, and a grid of a size."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import TYPE_CHECKING, Any

from ncsn.base.dotted import with_values
from ncsn.base.errors import UserError, nearest, shown
from ncsn.config.params import broken_rule, checked_params, known_keys
from ncsn.sweep.studies.space import AxisType, FloatAxis, IntAxis, grid_values, keys_of

if TYPE_CHECKING:
    from ncsn.sweep.studies.plan import Plan

_OF_TRAINING = {"model", "train"}  # sections that the exact score does not see
_MOST_GRID_POINTS = 100_000


def refused(plan: "Plan", settings: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the values that the user set for this run."""
    axes = {key: name for name, axis in plan.space.items() for key in keys_of(name, axis)}
    for key, value in settings.items():
        if key not in known_keys():
            yield f"{key}: params.yaml has no key '{key}'.{nearest(key, known_keys())}"
        if key in axes or key in plan.forced:
            whose = f"the axis {axes[key]} sets it" if key in axes else "--model sets it"
            yield f"{key} (value {shown(value)}): {whose} in this study"
        yield from _broken(plan, key, key, value)
    yield from _broken_together(plan, settings)


def _broken_together(plan: "Plan", settings: Mapping[str, Any]) -> Iterator[str]:
    """Rules between the values of a section that the user set, such as a name and its path."""
    sections = {key.partition(".")[0] for key in settings}
    try:
        checked_params(with_values(plan.params, plan.fixed))
    except UserError as error:
        for line in str(error).removeprefix("params.yaml: ").splitlines():
            if line.strip().partition(".")[0] in sections:
                yield line.strip()


def complaints(plan: "Plan", own: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a study file at one size, whose `fixed` values are `own`."""
    yield from _unknown_keys(plan, own)
    yield from _without_effect(plan)
    yield from _too_many_points(plan)
    for key, value in own.items():
        yield from _broken(plan, f"sizes.{plan.size}.fixed.{key}", key, value)
    seen: dict[str, str] = {}
    for name, axis in plan.space.items():
        for key in keys_of(name, axis):
            if key in seen:
                yield f"space.{name}: {key} is already set by the axis {seen[key]}"
            seen[key] = name
        for key in axis.when:
            if key in plan.space and key not in seen:
                yield f"space.{name}.when.{key}: must be an axis that stands before {name}"
        yield from _broken_ends(plan, name, axis)
    yield from _tied_to_text(plan)


def _without_effect(plan: "Plan") -> Iterator[str]:
    """An exact score is not trained: an axis of the training alone would compare equal draws."""
    for name, axis in plan.space.items():
        sections = {key.partition(".")[0] for key in keys_of(name, axis)}
        if plan.model == "oracle" and sections <= _OF_TRAINING:
            rule = "decides the training alone, and the exact score of --model oracle has none"
            yield f"space.{name}: {rule}; run it with --model network"


def _unknown_keys(plan: "Plan", own: Mapping[str, Any]) -> Iterator[str]:
    named = {f"sizes.{plan.size}.fixed.{key}": key for key in own}
    for name, axis in plan.space.items():
        if axis.type == "bundle" and "." in name:
            yield f"space.{name}: a bundle has a name of its own, not a key of params.yaml"
        named |= {f"space.{name}": key for key in keys_of(name, axis)}
        named |= {f"space.{name}.when.{key}": key for key in axis.when}
    for place, key in named.items():
        if key not in known_keys() and key not in plan.space:
            yield f"{place}: params.yaml has no key '{key}'.{nearest(key, known_keys())}"


def _tied_to_text(plan: "Plan") -> Iterator[str]:
    """A key moves in proportion to its axis only where both have a number to start from."""
    for name, axis in plan.space.items():
        for tied in axis.tied if isinstance(axis, FloatAxis | IntAxis) else ():
            for key in (name, tied):
                value = plan.fixed.get(key)
                if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                    rule = "must have a positive number in the preset or under fixed"
                    yield f"space.{name}.tied.{tied}: {key} {rule}, it has {shown(value)}"


def _too_many_points(plan: "Plan") -> Iterator[str]:
    """A grid is made as a whole, before the first trial."""
    if plan.spec.sampler.name == "grid":
        points = prod(len(grid_values(axis)) for axis in plan.space.values())
        if points > _MOST_GRID_POINTS:
            rule = f"must have at most {_MOST_GRID_POINTS} points, its axes make {points}"
            yield f"sampler.name (value 'grid'): a grid {rule}; lower `points`, or take 'qmc'"


def _broken_ends(plan: "Plan", name: str, axis: AxisType) -> Iterator[str]:
    for key, wanted in axis.when.items():
        for value in wanted if isinstance(wanted, list) else [wanted]:
            yield from _broken(plan, f"space.{name}.when.{key}", key, value)
    if axis.otherwise is not None:
        yield from _broken(plan, f"space.{name}.otherwise", name, axis.otherwise)
    if isinstance(axis, FloatAxis | IntAxis):
        for end in ("low", "high"):
            yield from _broken(plan, f"space.{name}.{end}", name, getattr(axis, end))
    elif isinstance(axis.choices, dict):
        for choice, values in axis.choices.items():
            for key, value in values.items():
                yield from _broken(plan, f"space.{name}.choices.{choice}.{key}", key, value)
    else:
        for value in axis.choices:
            yield from _broken(plan, f"space.{name}.choices", name, value)


def _broken(plan: "Plan", place: str, key: str, value: Any) -> Iterator[str]:
    problem = broken_rule(with_values(plan.params, {**plan.fixed, key: value}), key)
    if problem:
        rule = problem.partition("): ")[2] or problem
        yield f"{place} (value {shown(value)}): {rule}"

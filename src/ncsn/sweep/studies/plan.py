"""A study at one size and model: what its trials set, and what decides their results.

Every key and value is held against the rules of params.yaml before any trial starts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from ncsn.base.dotted import with_values
from ncsn.base.errors import UserError, nearest, shown
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import broken_rule, checked_params, known_keys
from ncsn.config.preset import preset_names, preset_values
from ncsn.maths.samplers.evaluations import network_evaluations
from ncsn.sweep.studies.space import (
    AxisType,
    FloatAxis,
    IntAxis,
    grid,
    grid_values,
    keys_of,
    values_of,
)
from ncsn.sweep.studies.study import FOLDER, Budget, Spec, load_spec

ORACLE = {"model.name": "oracle"}
_MOST_GRID_POINTS = 100_000
_FAR_OVER = 2  # times the budget of network evaluations: such a trial is not run


@dataclass(frozen=True)
class Plan:
    """What a driver and its workers follow.

    Attributes:
        name: full name of the study, `<file>-<size>` and `-oracle` for the oracle.
        study: the file's name.
        size: the size's name.
        model: "network" or "oracle".
        spec: the study file.
        space: axes of this size by name.
        fixed: dotted values that all trials share, below the axes.
        forced: dotted values above the axes.
        budget: that of this size.
        params: the project's params.yaml, for the keys that no study sets.
    """

    name: str
    study: str
    size: str
    model: str
    spec: Spec
    space: Mapping[str, AxisType]
    fixed: Mapping[str, Any]
    forced: Mapping[str, Any]
    budget: Budget
    params: Mapping[str, Any]

    def values(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Returns all dotted values of params.yaml that a trial at `point` sets."""
        return values_of(point, self.space, self.fixed) | dict(self.forced)

    def shared(self) -> dict[str, Any]:
        """Returns the dotted values that all trials share."""
        return {**self.fixed, **self.forced}

    @property
    def draws(self) -> int:
        """Number of draws of each training in the search."""
        return self.spec.sizes[self.size].draws or self.spec.draws

    @property
    def trainings(self) -> int:
        """Number of trainings of each point in the search; an exact score is drawn without."""
        return self.spec.sizes[self.size].trainings or self.spec.trainings

    @property
    def confirm_trainings(self) -> int:
        """Number of trainings of each point that is drawn again after the search."""
        return self.budget.confirm_trainings or self.trainings

    def ignored_trainings(self) -> str | None:
        """Returns what to say of several trainings of an exact score, None where there are none.

        One study file serves network and oracle, so that this is no error.
        """
        key, most = max(
            (("trainings", self.trainings), ("budget.confirm_trainings", self.confirm_trainings)),
            key=lambda pair: pair[1],
        )
        if most == 1 or self.shared()["model.name"] != "oracle":
            return None
        rule = "an exact score has no training, so each point is drawn without"
        return f"{FOLDER}/{self.study}.yaml: {key} (value {most}): {rule}"

    def excess(self, values: Mapping[str, Any]) -> int | None:
        """Network evaluations per image beyond the budget, below 0 within; None without one."""
        limit = self.budget.network_evaluations_per_image
        return None if limit is None else evaluations_of(values) - limit

    def objection(self, values: Mapping[str, Any]) -> str | None:
        """Returns why a trial at dotted `values` must not run, None when it may."""
        limit = self.budget.network_evaluations_per_image
        cost = evaluations_of(values)
        if limit is not None and cost > _FAR_OVER * limit:
            return f"{cost} network evaluations per image; the budget is {limit}"
        try:
            checked_params(with_values(self.params, values))
        except UserError as error:
            return str(error).removeprefix("params.yaml: ")
        return None

    def deciding(self) -> dict[str, Any]:
        """Returns by dotted key what decides the results of a trial, as JSON values."""
        spec = self.spec.model_dump(mode="json")
        parts = {f"objectives.{key}": value for key, value in spec["objectives"].items()}
        for name, axis in self.space.items():
            for key, value in axis.model_dump(mode="json", exclude={"points"}).items():
                parts[f"space.{name}.{key}"] = value
        parts |= {f"fixed.{key}": value for key, value in self.fixed.items()}
        limit = self.budget.network_evaluations_per_image
        return {
            **parts,
            "draws": self.draws,
            "trainings": self.trainings,
            "budget.network_evaluations_per_image": limit,
        }


def evaluations_of(values: Mapping[str, Any]) -> int:
    """Returns the network evaluations per image under dotted values."""
    steps, denoise = values["sampler.steps_per_level"], values["sampler.final_denoise"]
    return network_evaluations(values["noise.num_levels"], steps, denoise)


def grid_points(plan: Plan) -> list[dict[str, Any]]:
    """Returns the points of a grid study in an order that spreads over the range.

    Every 2^k-th point comes first, then those half-way between: a study that ends early has seen
    the whole range.
    """
    points = grid(plan.space, plan.shared())
    step = 1
    while 2 * step < len(points):
        step *= 2
    order: list[int] = []
    while step:
        order += [i for i in range(0, len(points), step) if i not in order]
        step //= 2
    return [points[i] for i in order]


def load_plan(study: str, size: str, model: str = "network", root: Path = Path(".")) -> Plan:
    """Reads a study file and makes the plan of one size.

    Args:
        study: name of a file in studies/.
        size: one of the file's sizes.
        model: "network", or "oracle" for the exact score of the training images.
        root: the project's top folder.

    Raises:
        UserError: no such study or size, or a key or value in the file breaks a rule.
    """
    spec = load_spec(study, root / FOLDER)
    return made_plan(study, spec, size, model, read_yaml(root / "params.yaml"))


def made_plan(study: str, spec: Spec, size: str, model: str, params: Mapping[str, Any]) -> Plan:
    """Returns the checked plan of `spec`; arguments and errors as `load_plan`."""
    path = f"{FOLDER}/{study}.yaml"
    if size not in spec.sizes:
        known = ", ".join(spec.sizes)
        raise UserError(f"{path}: no size '{size}'; there are {known}.{nearest(size, spec.sizes)}")
    chosen = spec.sizes[size]
    if chosen.preset not in preset_names():
        hint = nearest(chosen.preset, preset_names())
        known = ", ".join(preset_names())
        rule = f"must be one of {known}.{hint}"
        raise UserError(f"{path}: sizes.{size}.preset (value {shown(chosen.preset)}): {rule}")
    plan = Plan(
        name=f"{study}-{size}" + ("-oracle" if model == "oracle" else ""),
        study=study,
        size=size,
        model=model,
        spec=spec,
        space={**spec.space, **chosen.space},
        fixed={**preset_values(chosen.preset), **chosen.fixed},
        forced=ORACLE if model == "oracle" else {},
        budget=chosen.budget,
        params=params,
    )
    for complaint in _complaints(plan, chosen.fixed):
        raise UserError(f"{path}: {complaint}")
    return plan


def _complaints(plan: Plan, own: Mapping[str, Any]) -> Iterator[str]:
    yield from _unknown_keys(plan, own)
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


def _unknown_keys(plan: Plan, own: Mapping[str, Any]) -> Iterator[str]:
    named = {f"sizes.{plan.size}.fixed.{key}": key for key in own}
    for name, axis in plan.space.items():
        if axis.type == "bundle" and "." in name:
            yield f"space.{name}: a bundle has a name of its own, not a key of params.yaml"
        named |= {f"space.{name}": key for key in keys_of(name, axis)}
        named |= {f"space.{name}.when.{key}": key for key in axis.when}
    for place, key in named.items():
        if key not in known_keys() and key not in plan.space:
            yield f"{place}: params.yaml has no key '{key}'.{nearest(key, known_keys())}"


def _tied_to_text(plan: Plan) -> Iterator[str]:
    """A key moves in proportion to its axis only where both have a number to start from."""
    for name, axis in plan.space.items():
        for tied in axis.tied if isinstance(axis, FloatAxis | IntAxis) else ():
            for key in (name, tied):
                value = plan.fixed.get(key)
                if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                    rule = "must have a positive number in the preset or under fixed"
                    yield f"space.{name}.tied.{tied}: {key} {rule}, it has {shown(value)}"


def _too_many_points(plan: Plan) -> Iterator[str]:
    """A grid is made as a whole, before the first trial."""
    if plan.spec.sampler.name == "grid":
        points = prod(len(grid_values(axis)) for axis in plan.space.values())
        if points > _MOST_GRID_POINTS:
            rule = f"must have at most {_MOST_GRID_POINTS} points, its axes make {points}"
            yield f"sampler.name (value 'grid'): a grid {rule}; lower `points`, or take 'qmc'"


def _broken_ends(plan: Plan, name: str, axis: AxisType) -> Iterator[str]:
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


def _broken(plan: Plan, place: str, key: str, value: Any) -> Iterator[str]:
    problem = broken_rule(with_values(plan.params, {**plan.fixed, key: value}), key)
    if problem:
        rule = problem.partition("): ")[2] or problem
        yield f"{place} (value {shown(value)}): {rule}"

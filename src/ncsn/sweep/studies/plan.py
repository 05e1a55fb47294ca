"""A study at one size and model: what its trials set, and what decides their results.

Every key and value is held against the rules of params.yaml before any trial starts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ncsn.base.dotted import with_values
from ncsn.base.errors import UserError, nearest, shown
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import checked_params
from ncsn.config.preset import preset_names, preset_values
from ncsn.maths.samplers.evaluations import network_evaluations
from ncsn.sweep.studies.rules import complaints, refused
from ncsn.sweep.studies.space import AxisType, grid, keys_of, values_of
from ncsn.sweep.studies.study import FOLDER, Budget, Spec, load_spec

ORACLE = {"model.name": "oracle"}
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
        fixed: dotted values that all trials share, below the axes: the preset's, the size's, and
            those that the user set for this run.
        forced: dotted values above the axes.
        budget: that of this size.
        params: the project's params.yaml, for the keys that no study sets.
        settings: those of `fixed` that the user set for this run.
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
    settings: Mapping[str, Any]

    def values(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Returns all dotted values of params.yaml that a trial at `point` sets."""
        return values_of(point, self.space, self.fixed) | dict(self.forced)

    def shared(self) -> dict[str, Any]:
        """Returns the dotted values that all trials share."""
        return {**self.fixed, **self.forced}

    def keys(self) -> set[str]:
        """Returns the keys of params.yaml that every trial sets."""
        own = (keys_of(name, axis) for name, axis in self.space.items())
        return {*self.shared(), *chain.from_iterable(own)}

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


def study_words(study: str, size: str | None, model: str | None) -> str:
    """Returns what names a study on the command line of sweep.py; an old one may have no size.

    >>> study_words("epsilon", "digits", "oracle")
    'epsilon --size digits --model oracle'
    """
    options = {"size": size, "model": model if model == "oracle" else None}
    return " ".join([study, *(f"--{key} {value}" for key, value in options.items() if value)])


def evaluations_of(values: Mapping[str, Any]) -> int:
    """Returns the network evaluations per image under dotted values."""
    steps, denoise = values["sampler.steps_per_level"], values["sampler.final_denoise"]
    return network_evaluations(values["noise.num_levels"], steps, denoise)


def is_oracle_alone(size: Mapping[str, Any]) -> bool:
    """Whether a size of a study file, as plain values, is of the exact score alone."""
    return (size.get("fixed") or {}).get("model.name") == ORACLE["model.name"]


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


def load_plan(
    study: str,
    size: str,
    model: str = "network",
    root: Path = Path("."),
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Plan:
    """Reads a study file and makes the plan of one size.

    Args:
        study: name of a file in studies/.
        size: one of the file's sizes.
        model: "network", or "oracle" for the exact score of the training images.
        root: the project's top folder.
        settings: dotted values of this user, above those of the size: where the files lie.

    Raises:
        UserError: no such study or size, or a key or value in the file or in `settings` breaks a
            rule.
    """
    spec = load_spec(study, root / FOLDER)
    return made_plan(study, spec, size, model, read_yaml(root / "params.yaml"), settings)


def made_plan(
    study: str,
    spec: Spec,
    size: str,
    model: str,
    params: Mapping[str, Any],
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Plan:
    """Returns the checked plan of `spec`; arguments and errors as `load_plan`.

    A size whose model is the exact score has no other one: `model` is then "oracle" in any case.
    """
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
    if is_oracle_alone({"fixed": chosen.fixed}):
        model = "oracle"
    plan = Plan(
        name=f"{study}-{size}" + ("-oracle" if model == "oracle" else ""),
        study=study,
        size=size,
        model=model,
        spec=spec,
        space={**spec.space, **chosen.space},
        fixed={**preset_values(chosen.preset), **chosen.fixed, **settings},
        forced=ORACLE if model == "oracle" else {},
        budget=chosen.budget,
        params=params,
        settings=dict(settings),
    )
    for complaint in complaints(plan, chosen.fixed):
        raise UserError(f"{path}: {complaint}")
    for complaint in refused(plan, settings):
        raise UserError(f"--set {complaint}")
    return plan

"""Study files: purpose, objectives, space, budget and sampler of a sweep, checked as a whole.

A study is a file in studies/. It is data that users edit and add, and no stage's result depends
on it, so it does not stand in params.yaml.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from ncsn.base import metric_names as keys
from ncsn.base.errors import UserError, nearest, shown
from ncsn.base.yaml_file import read_yaml
from ncsn.config.sections.complaints import complaint
from ncsn.config.sections.kinds import Count, Line, Positive, Section, Seed, Steps, at_most
from ncsn.sweep.studies.space import Axis

FOLDER = Path("studies")
EVALUATIONS = "sample/network_evaluations_per_image"
OBJECTIVES = (*(measure.key for measure in keys.MEASURES), EVALUATIONS)
Trials = Annotated[Count, at_most(1_000_000, "every one is a row that each worker reads")]
MOST_DRAWS = 1000
MOST_TRAININGS = 100
Draws = Annotated[Count, at_most(MOST_DRAWS, "each draws all images of a point again")]
Trainings = Annotated[Count, at_most(MOST_TRAININGS, "each trains all of a point again")]
Direction = Literal["minimize", "maximize"]
_CONFIRMED = 3  # points, where a budget does not say
_RENAMED = {"seeds": "draws"}


class SamplerSpec(Section):
    """Who chooses the points; a grid's points are the axes' own."""

    name: Literal["grid", "tpe", "gp", "qmc", "random", "nsga2"]
    seed: Seed = 1


class PrunerSpec(Section):
    """Who ends hopeless trials, by a metric that training reports as it goes.

    Attributes:
        name: none, median, percentile or hyperband.
        metric: key of a row of train_log.jsonl (as in `metric_names`), smaller is better.
        percentile: the share of trials that goes on.
        startup_trials: complete ones before the first is pruned.
        warmup_steps: training steps before a trial may be pruned.
    """

    name: Literal["none", "median", "percentile", "hyperband"] = "none"
    metric: Literal["val/loss", "val/pixel_frechet", "train/loss"] = "val/loss"
    percentile: Annotated[float, Field(gt=0, lt=100)] = 50.0
    startup_trials: Trials = 5
    warmup_steps: Annotated[int, Field(ge=0), at_most(100_000_000, "no training is longer")] = 0


class Budget(Section):
    """Where a study ends. Hours count from the start of `run`.

    Attributes:
        trials: all that count; one that is tried again counts once.
        hours: no trial starts later; the drawing again comes after them.
        confirm: so many points, the best of the search, are drawn again with fresh seeds; 0 draws
            none, None three, or all where there are fewer trials.
        confirm_draws: fresh draws of each of them, with several trainings of each training.
        confirm_trainings: fresh trainings of each of them; one keeps the network of the search,
            None takes as many as the search has.
        network_evaluations_per_image: a trial over it is infeasible, far over it is not run.
    """

    trials: Trials
    hours: Annotated[Positive, at_most(100_000.0, "more than ten years")]
    confirm: Annotated[int, Field(ge=0)] | None = None
    confirm_draws: Draws = 3
    confirm_trainings: Trainings | None = None
    network_evaluations_per_image: Steps | None = None

    @property
    def num_confirmed(self) -> int:
        """Number of points that are drawn again after a search."""
        return min(_CONFIRMED, self.trials) if self.confirm is None else self.confirm

    @model_validator(mode="after")
    def _confirmed_are_trials(self) -> Self:
        if self.confirm is not None and self.confirm > self.trials:
            rule = f"must be at most {self.trials}, the number of trials; or null, or 0 for none"
            raise ValueError(f"confirm (value {shown(self.confirm)}): {rule}")
        return self


class Size(Section):
    """A study at one size: its preset; values, axes, draws and trainings of its own."""

    preset: Line
    fixed: dict[str, Any] = Field(default_factory=dict)
    space: dict[str, Axis] = Field(default_factory=dict)
    draws: Draws | None = None  # None takes the study's
    trainings: Trainings | None = None  # None takes the study's
    budget: Budget


class Spec(Section):
    """A study file."""

    purpose: Line
    objectives: Annotated[dict[str, Direction], Field(min_length=1, max_length=2)]
    scientific: Annotated[list[str], Field(min_length=1)]
    nuisance: list[str] = Field(default_factory=list)
    space: Annotated[dict[str, Axis], Field(min_length=1)]
    sampler: SamplerSpec
    pruner: PrunerSpec = PrunerSpec()
    draws: Draws = 1  # sampling seeds of each training; the objective is the mean over all
    trainings: Trainings = 1  # training seeds of each point
    same_points: Line | None = None  # a study whose points, of the same size, are all tried first
    sizes: Annotated[dict[str, Size], Field(min_length=1)]

    @model_validator(mode="after")
    def _objectives_exist(self) -> Self:
        for name in self.objectives:
            if name not in OBJECTIVES:
                known = ", ".join(OBJECTIVES)
                raise ValueError(
                    f"objectives.{name}: must be one of {known}.{nearest(name, OBJECTIVES)}"
                )
        return self

    @model_validator(mode="after")
    def _axes_have_a_role(self) -> Self:
        for role in ("scientific", "nuisance"):
            for name in getattr(self, role):
                if name not in self.space:
                    raise ValueError(
                        f"{role}: '{name}' is no axis of the space.{nearest(name, self.space)}"
                    )
        for name in self.space:
            if (name in self.scientific) == (name in self.nuisance):
                raise ValueError(f"space.{name}: must be in one of scientific and nuisance")
        return self

    @model_validator(mode="after")
    def _axes_of_sizes_exist(self) -> Self:
        for size, spec in self.sizes.items():
            for name in spec.space:
                if name not in self.space:
                    raise ValueError(
                        f"sizes.{size}.space.{name}: is no axis of the study."
                        f"{nearest(name, self.space)}"
                    )
        return self

    @model_validator(mode="after")
    def _pruner_fits(self) -> Self:
        if self.pruner.name != "none" and list(self.objectives.values()) != ["minimize"]:
            raise ValueError(
                "pruner.name: pruning needs one objective that is minimised; take none"
            )
        return self


def study_names(folder: Path = FOLDER) -> list[str]:
    """Returns the names of all study files, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load_spec(name: str, folder: Path = FOLDER) -> Spec:
    """Reads and checks a study file.

    Args:
        name: the file's name without `.yaml`.
        folder: where study files lie.

    Raises:
        UserError: no such study, or a key is unknown, missing, mistyped or out of range; keys of
            params.yaml and their values are checked by `plan`.
    """
    if name not in study_names(folder):
        choices = ", ".join(study_names(folder)) or "none"
        hint = nearest(name, study_names(folder))
        raise UserError(f"no study '{name}' in {folder}/; there are {choices}.{hint}")
    path = folder / f"{name}.yaml"
    return checked_spec(read_yaml(path), path)


def checked_spec(values: Mapping[str, Any], path: str | Path) -> Spec:
    """Returns `values` as a Spec; the UserError names the first broken rule."""
    try:
        return Spec.model_validate(values)
    except ValidationError as error:
        raise UserError(f"{path}: {_complaint(dict(error.errors()[0]))}") from None


def _complaint(problem: dict[str, Any]) -> str:
    kind, value = problem["type"], problem["input"]
    key = ".".join(_location(problem["loc"]))
    if kind == "extra_forbidden":
        if key in _RENAMED:
            return f"{key} (value {shown(value)}): no such key; it is named {_RENAMED[key]} now"
        return f"{key} (value {shown(value)}): no such key.{nearest(key.split('.')[-1], _FIELDS)}"
    if kind == "missing":
        return f"{key}: missing"
    if kind == "union_tag_not_found":
        return f"{key}.type: missing; must be one of {', '.join(_TYPES)}"
    if kind == "union_tag_invalid":
        tag = value["type"]
        return f"{key}.type (value {shown(tag)}): must be one of {', '.join(_TYPES)}." + nearest(
            tag, _TYPES
        )
    if kind == "value_error":  # its message starts with the key that breaks the rule
        field, _, rule = str(problem["ctx"]["error"]).partition(": ")
        return f"{'.'.join([*_location(problem['loc']), field])}: {rule}"
    return complaint(key, problem)


def _location(parts: tuple[Any, ...]) -> list[str]:
    """Path of a key without the tags that pydantic puts behind the name of an axis."""
    return [
        str(part)
        for i, part in enumerate(parts)
        if not (part in _TYPES and i >= 2 and parts[i - 2] == "space")
    ]


_TYPES = ("float", "int", "categorical", "bundle")
_FIELDS = [
    *(
        field
        for model in (Spec, SamplerSpec, PrunerSpec, Budget, Size)
        for field in model.model_fields
    ),
    *("type", "low", "high", "log", "points", "tied", "when", "otherwise", "choices"),
]

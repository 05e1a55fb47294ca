"""params.yaml as one typed, frozen object: the sections together, loading and complaints.

The whole file is checked before any work starts, but a script gets only the sections it names
(those that dvc.yaml lists for its stage). Classes of the sections: `sections`; the file itself is
read by `yaml_file`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import ValidationError, model_validator

from ncsn.errors import UserError, nearest
from ncsn.paths import DVC_FILE, PATHS, PathsParams, load_paths
from ncsn.sections.kinds import Section
from ncsn.sections.shared import (
    BaseParams,
    DataParams,
    ModelParams,
    NoiseParams,
    SamplerParams,
)
from ncsn.sections.stages import (
    EvaluateParams,
    IllustrateParams,
    NeighboursParams,
    OracleParams,
    ReferenceParams,
    ReportParams,
    SampleParams,
    SweepParams,
    ToyParams,
    TrackParams,
    TrainParams,
)
from ncsn.yaml_file import read_yaml

PARAMS_FILE = Path("params.yaml")


class Params(Section):
    """The whole file."""

    base: BaseParams
    data: DataParams
    reference: ReferenceParams
    noise: NoiseParams
    model: ModelParams
    train: TrainParams
    sampler: SamplerParams
    sample: SampleParams
    oracle: OracleParams
    illustrate: IllustrateParams
    neighbours: NeighboursParams
    evaluate: EvaluateParams
    report: ReportParams
    track: TrackParams
    sweep: SweepParams
    toy: ToyParams

    @model_validator(mode="after")
    def _sigmas_for_the_network(self) -> Self:
        if self.noise.training == "continuous" and self.model.name == "ncsn":
            rule = "must be 'ncsnv2', whose score is s(x) / sigma"
            raise ValueError(f"model.name: {rule}, where noise.training is 'continuous'")
        return self

    @model_validator(mode="after")
    def _consistent_step(self) -> Self:
        """The range of arXiv 2009.05475: 1 - gamma < epsilon / (2 sigma_L^2) < 1 + gamma."""
        if self.sampler.name != "consistent_annealed":
            return self
        noise, gamma = self.noise, 1.0
        if noise.num_levels > 1:
            gamma = (noise.sigma_min / noise.sigma_max) ** (1 / (noise.num_levels - 1))
        low, high = (2 * noise.sigma_min**2 * (1 + side * gamma) for side in (-1, 1))
        if not low < self.sampler.epsilon < high:
            rule = f"must lie between {low:.4g} and {high:.4g} for consistent_annealed"
            raise ValueError(f"sampler.epsilon: {rule} on this ladder")
        return self


class ProjectParams(Params):
    """The sections of params.yaml, and beside them the paths of dvc.yaml."""

    paths: PathsParams


def load_params(*names: str, path: str | Path = PARAMS_FILE) -> ProjectParams:
    """Checks all of `path` and returns the sections `names`; others do not exist on the result.

    The section `paths` comes from the dvc.yaml beside `path`.

    Raises:
        UserError: a file is missing or not YAML, or a key is unknown, missing, mistyped or out
        of range.
    """
    params = checked_params(read_yaml(path), path)
    sections = {name: getattr(params, name) for name in names if name != PATHS}
    if PATHS in names:
        sections[PATHS] = load_paths(Path(path).parent)
    return ProjectParams.model_construct(**sections)


def checked_params(values: Mapping[str, Any], path: str | Path = PARAMS_FILE) -> Params:
    """Returns `values` as Params; a UserError lists every broken rule, one a line."""
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        lines = [_complaint(dict(problem)) for problem in error.errors()]
    raise UserError(f"{path}: " + "\n       ".join(lines))


def known_keys() -> list[str]:
    """Returns every dotted key of params.yaml, in the order of the file."""
    return [
        f"{section}.{key}"
        for section, field in Params.model_fields.items()
        for key in _fields(field.annotation)
    ]


def broken_rule(values: Mapping[str, Any], key: str) -> str | None:
    """Returns what is wrong with the one value of dotted `key`, None when nothing is.

    Rules that join several keys do not count: the others may still change.
    """
    section, _, name = key.partition(".")
    try:
        Params.model_validate(values)
    except ValidationError as error:
        for problem in error.errors():
            if problem["loc"][:2] == (section, name):
                return _complaint(dict(problem))
    return None


def _complaint(problem: dict[str, Any]) -> str:
    """One broken rule: dotted key, value, rule and, for an unknown key, the nearest valid one."""
    location = [str(part) for part in problem["loc"]]
    key, kind = ".".join(location), problem["type"]
    if kind == "extra_forbidden" and location == [PATHS]:
        return f"{key}: no section of this file; paths stand in {DVC_FILE}, under vars. Delete it"
    if kind == "extra_forbidden":
        choices = list(Params.model_fields) if len(location) == 1 else known_keys()
        return f"{key} (value {problem['input']!r}): no such key.{nearest(key, choices)}"
    if kind == "missing":
        return f"{key}: missing; every key of params.yaml must be given"
    if (
        kind == "value_error"
    ):  # a rule across fields; its message starts with the field that breaks it
        field, _, rule = str(problem["ctx"]["error"]).partition(": ")
        value = problem["input"]
        for part in field.split("."):
            value = value[part]
        return f"{'.'.join([*location, field])} (value {value!r}): {rule}"
    rule = problem["msg"].replace("Input should", "must")
    hint = ""
    if kind == "literal_error":
        hint = nearest(
            problem["input"],
            problem["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", "),
        )
    return f"{key} (value {problem['input']!r}): {rule}.{hint}"


def _fields(section: Any) -> Iterable[str]:
    return (
        section.model_fields if isinstance(section, type) and issubclass(section, Section) else ()
    )

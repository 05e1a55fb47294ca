"""params.yaml as one typed, frozen object: all sections, loading, and messages about mistakes.

The whole file is checked before any work starts, but a script gets only the sections it names
(those that dvc.yaml lists for its stage). `sections` has one file per section; `yaml_file`
reads params.yaml.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import ValidationError, model_validator

from ncsn.base.addresses import SECRETS_FILE, STORAGE, TRACKING, has_password, masked
from ncsn.base.dotted import flattened, value_at
from ncsn.base.errors import UserError, nearest, shown
from ncsn.base.yaml_file import read_yaml
from ncsn.config.paths import DVC_FILE, PATHS, PathsParams, load_paths
from ncsn.config.sections.base import BaseParams
from ncsn.config.sections.complaints import complaint
from ncsn.config.sections.data import DataParams
from ncsn.config.sections.evaluate import EvaluateParams
from ncsn.config.sections.illustrate import IllustrateParams
from ncsn.config.sections.kinds import Section
from ncsn.config.sections.model import ModelParams
from ncsn.config.sections.neighbours import NeighboursParams
from ncsn.config.sections.noise import NoiseParams
from ncsn.config.sections.oracle import OracleParams
from ncsn.config.sections.reference import ReferenceParams
from ncsn.config.sections.report import ReportParams
from ncsn.config.sections.sample import SampleParams
from ncsn.config.sections.sampler import SamplerParams
from ncsn.config.sections.sweep import SweepParams
from ncsn.config.sections.toy import ToyParams
from ncsn.config.sections.track import TrackParams
from ncsn.config.sections.train import TrainParams

PARAMS_FILE = Path("params.yaml")
_ANY_SIGMA = ("ncsnv2", "oracle")  # have a score at every sigma, not at the levels alone
_LEAST_WEIGHT = 1e-30  # fp32 ends at 1e-38, and losses are sums over pixels
_MOST_COMPLETIONS = 100_000
_MOST_EVALUATIONS = 10_000_000
_ELSEWHERE = {
    "sweep.storage": STORAGE,
    "track.uri": TRACKING,
}  # variables for an address with a password


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
    def _keep_the_rules_between_sections(self) -> Self:
        for rule in (_sigmas_for_the_network, _consistent_step, _weights_in_fp32, _sizes):
            rule(self)
        return self


def _sigmas_for_the_network(params: Params) -> None:
    if params.noise.training == "continuous" and params.model.name not in _ANY_SIGMA:
        rule = "must be 'ncsnv2', whose score is s(x) / sigma"
        raise ValueError(f"model.name: {rule}, where noise.training is 'continuous'")


def _consistent_step(params: Params) -> None:
    """The range of arXiv 2009.05475: 1 - gamma < epsilon / (2 sigma_L^2) < 1 + gamma."""
    if params.sampler.name != "consistent_annealed":
        return
    noise, gamma = params.noise, 1.0
    if noise.num_levels > 1:
        gamma = (noise.sigma_min / noise.sigma_max) ** (1 / (noise.num_levels - 1))
    low, high = (2 * noise.sigma_min**2 * (1 + side * gamma) for side in (-1, 1))
    if not low < params.sampler.epsilon < high:
        rule = f"must lie between {low:.4g} and {high:.4g} for consistent_annealed"
        raise ValueError(f"sampler.epsilon: {rule} on this ladder")


def _weights_in_fp32(params: Params) -> None:
    noise, power = params.noise, params.train.weight_power
    sigmas = [noise.sigma_max, noise.sigma_min]
    if noise.training == "continuous":
        sigmas = [noise.range_max, noise.range_min]
    for sigma in sigmas:
        if not _LEAST_WEIGHT <= sigma**power <= 1 / _LEAST_WEIGHT:
            limits = f"between {_LEAST_WEIGHT:g} and {1 / _LEAST_WEIGHT:g}"
            rule = f"must keep sigma ** weight_power {limits} in fp32, at sigma {sigma:g} too"
            raise ValueError(f"train.weight_power: {rule}")


def _sizes(params: Params) -> None:
    for key, most, of in size_limits(params):
        if param(params, key) > most:
            raise ValueError(f"{key}: must be at most {most}{of}")


def param(params: Params, key: str) -> Any:
    """Returns the value of a dotted key."""
    section, name = key.split(".")
    return getattr(getattr(params, section), name)


class SizeLimit(NamedTuple):
    """An upper bound on a count: its dotted key, the bound, and a phrase that explains it."""

    key: str
    most: int
    reason: str


def size_limits(params: Params) -> list[SizeLimit]:
    """Returns the bounds on counts that follow from params.yaml; `data_limits` has the others."""
    drawn, from_oracle = params.sample.num_samples, params.oracle.num_samples
    levels, completions = params.noise.num_levels, params.illustrate.num_completions
    samples, oracle = ", sample.num_samples", ", oracle.num_samples"
    return [
        SizeLimit("evaluate.kid_subset_size", drawn, samples),
        SizeLimit("evaluate.kid_subset_size", from_oracle, oracle),
        SizeLimit("evaluate.prc_neighborhood", drawn - 1, f": less than{samples[1:]}"),
        SizeLimit("evaluate.prc_neighborhood", from_oracle - 1, f": less than{oracle[1:]}"),
        SizeLimit("neighbours.num_samples", drawn, samples),
        SizeLimit("sample.num_trajectory_images", drawn, samples),
        SizeLimit(
            "sample.num_trajectory_images",
            params.sample.block_size,
            ", sample.block_size: all are of the first block",
        ),
        SizeLimit(
            "illustrate.num_inpainted",
            max(1, _MOST_COMPLETIONS // completions),
            f" with {completions} completions of each: all are drawn at once",
        ),
        SizeLimit(
            "sampler.steps_per_level",
            _MOST_EVALUATIONS // levels,
            f" on {levels} levels: {_MOST_EVALUATIONS} network evaluations of every image",
        ),
    ]


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
    """Returns `values` as Params; a UserError lists every broken rule, one per line."""
    lines = list(_passwords(values).values())
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        lines += [masked(_complaint(dict(problem))) for problem in error.errors()]
    if lines:
        raise UserError(f"{path}: " + "\n       ".join(lines))
    return params


def known_keys() -> list[str]:
    """Returns every dotted key of params.yaml, in the order of the file."""
    return [
        f"{section}.{key}"
        for section, field in Params.model_fields.items()
        for key in _fields(field.annotation)
    ]


def broken_rule(values: Mapping[str, Any], key: str) -> str | None:
    """Returns the rule that the value of dotted `key` breaks by itself, None if it keeps all.

    Rules between keys do not count, because the other values may still change.
    """
    section, _, name = key.partition(".")
    passwords = _passwords(values)
    if key in passwords:
        return passwords[key]
    try:
        Params.model_validate(values)
    except ValidationError as error:
        for problem in error.errors():
            if problem["loc"][:2] == (section, name):
                return masked(_complaint(dict(problem)))
    return None


def _passwords(values: Mapping[str, Any]) -> dict[str, str]:
    """A message for each dotted key whose value is an address with a password."""
    found = {}
    for key, value in flattened(values).items():
        texts = value if isinstance(value, list) else [value]
        hidden = [masked(text) for text in texts if isinstance(text, str) and has_password(text)]
        if hidden:
            found[key] = f"{key} (value {hidden[0]!r}): {_password_rule(key)}"
    return found


def _password_rule(key: str) -> str:
    """The rule on passwords, and where an address with one belongs."""
    rule = "must not hold a password, since params.yaml is shown and stored"
    if key not in _ELSEWHERE:
        return rule
    place = f"the environment or in {SECRETS_FILE}, which git ignores"
    return f"{rule}; set {_ELSEWHERE[key]} in {place}"


def _complaint(problem: dict[str, Any]) -> str:
    """One broken rule: dotted key, value, rule and, for an unknown key, the nearest valid one."""
    location = [str(part) for part in problem["loc"]]
    key, kind = ".".join(location), problem["type"]
    if kind == "extra_forbidden" and location == [PATHS]:
        return f"{key}: no section of this file; paths stand in {DVC_FILE}, under vars. Delete it"
    if kind == "extra_forbidden":
        choices = list(Params.model_fields) if len(location) == 1 else known_keys()
        return f"{key} (value {shown(problem['input'])}): no such key.{nearest(key, choices)}"
    if kind == "missing":
        return f"{key}: missing; every key of params.yaml must be given"
    # a rule across fields: its message starts with the one that breaks it
    if kind == "value_error" and isinstance(problem["input"], Mapping):
        field, _, rule = str(problem["ctx"]["error"]).partition(": ")
        value = shown(value_at(problem["input"], field))
        return f"{'.'.join([*location, field])} (value {value}): {rule}"
    return complaint(key, problem)


def _fields(section: Any) -> Iterable[str]:
    return (
        section.model_fields if isinstance(section, type) and issubclass(section, Section) else ()
    )

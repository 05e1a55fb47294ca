"""params.yaml as typed, frozen models: one class a section, every rule beside its field.

The whole file is checked before any work starts, but a script gets only the sections it names
(those that dvc.yaml lists for its stage). The file
itself is read by `yaml_file`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ncsn.errors import UserError, nearest
from ncsn.yaml_file import read_yaml

PARAMS_FILE = Path("params.yaml")

Count = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


class Section(BaseModel):
    """A section of params.yaml: strict types, no unknown keys, no missing keys, immutable."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class BaseParams(Section):
    """What all stages share. Only `seed` decides results; the rest decides speed and safety."""

    seed: Annotated[int, Field(ge=0)]
    device: str = Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    checkpoint_every_sec: Positive
    max_batch_size: Count


class PathsParams(Section):
    """Where every file lies, relative to the project; dvc.yaml reads the same keys."""

    train_images: str
    test_images: str
    data_summary: str
    reference: str
    reference_summary: str
    checkpoint: str
    train_log: str
    previews: str
    samples: str
    trajectory: str
    oracle_samples: str
    oracle_summary: str
    sample_summary: str
    metrics: str
    report: str
    figures: str
    plots: str
    mlflow_run: str
    toy_summary: str
    toy_figures: str
    work: str


class DataParams(Section):
    """Which images, and how `prepare` makes them."""

    name: Literal["digits", "mnist", "fashion_mnist", "cifar10", "celeba", "npz", "folder"]
    root: str  # downloads land here, and files already here are used first
    path: str | None  # npz: the archive; folder, celeba: the folder of images
    mirrors: Annotated[
        tuple[str, ...], Field(strict=False)
    ]  # addresses of folders, tried before the data set's own
    center_crop: Count | None
    image_size: Annotated[int, Field(ge=8)] | None
    test_fraction: Annotated[float, Field(gt=0, lt=1)]  # for sources without a test split
    num_train: Count | None
    num_test: Count | None

    @model_validator(mode="after")
    def _path_where_needed(self) -> Self:
        if self.name in ("npz", "folder", "celeba") and self.path is None:
            raise ValueError(f"path: must be set for data.name '{self.name}'")
        return self


class ReferenceParams(Section):
    """The real side of the evaluation: feature extractor and reference split."""

    extractor: Literal["classifier", "inception-v3-compat"]
    feature_layer: Literal["64", "192", "768", "2048", "128"]
    weights_path: (
        str | None
    )  # inception-v3-compat: a state dict; null lets torch-fidelity download it
    split: Literal["train", "test"]
    classifier_steps: Count
    pixel_frechet: bool

    @model_validator(mode="after")
    def _layer_of_extractor(self) -> Self:
        layers = {"classifier": ("128",), "inception-v3-compat": ("64", "192", "768", "2048")}[
            self.extractor
        ]
        if self.feature_layer not in layers:
            raise ValueError(
                f"feature_layer: must be one of {', '.join(layers)} for '{self.extractor}'"
            )
        return self


class NoiseParams(Section):
    """The geometric ladder sigma_1 > ... > sigma_L, in units of pixel values in [0, 1]."""

    sigma_max: Positive
    sigma_min: Positive
    num_levels: Count

    @model_validator(mode="after")
    def _downhill(self) -> Self:
        if self.num_levels > 1 and self.sigma_max <= self.sigma_min:
            raise ValueError(f"sigma_max: must be larger than noise.sigma_min ({self.sigma_min})")
        if self.num_levels == 1 and self.sigma_max != self.sigma_min:
            raise ValueError(
                f"sigma_max: must equal noise.sigma_min ({self.sigma_min}) when num_levels is 1"
            )
        return self


class ModelParams(Section):
    """The score network."""

    name: Literal["ncsn", "ncsnv2"]
    base_channels: Annotated[int, Field(ge=4)]


class TrainParams(Section):
    """How the score network is trained."""

    objective: Literal["dsm"]
    num_steps: Count
    batch_size: Count
    learning_rate: Positive
    adam_beta1: Fraction
    adam_beta2: Fraction
    adam_eps: Positive
    weight_power: float
    ema_decay: Fraction
    uniform_dequantisation: bool
    random_flip: bool
    log_every_steps: Count
    validate_every_steps: Count
    preview_every_steps: Count


class SamplerParams(Section):
    """The Markov chain. `epsilon` is Algorithm 1's: drift alpha/2, noise sqrt(alpha)."""

    name: Literal["annealed_langevin", "consistent_annealed"]
    epsilon: Positive
    steps_per_level: Count
    final_denoise: bool

    @model_validator(mode="after")
    def _one_step_where_consistent(self) -> Self:
        if self.name == "consistent_annealed" and self.steps_per_level != 1:
            rule = "must be 1 for consistent_annealed; more steps are a ladder of more levels"
            raise ValueError(f"steps_per_level: {rule}")
        return self


class SampleParams(Section):
    """How many images are drawn. Block b of `block_size` images draws its noise from (seed, b)."""

    seed: Annotated[int, Field(ge=0)]
    num_samples: Annotated[int, Field(ge=2)]
    block_size: Count
    num_trajectory_images: Count


class OracleParams(Section):
    """What is drawn with the exact score of the training images, under the same sampler."""

    num_samples: Annotated[int, Field(ge=2)]
    num_draws: Annotated[int, Field(ge=2)]


class EvaluateParams(Section):
    """Sizes inside the metrics of torch-fidelity."""

    kid_subset_size: Annotated[int, Field(ge=2)]
    kid_subsets: Count
    prc_neighborhood: Count


class ReportParams(Section):
    """What the report shows."""

    num_grid_images: Count


class TrackParams(Section):
    """Where MLflow keeps its runs. MLFLOW_TRACKING_URI in the environment wins over `uri`."""

    uri: str
    artifact_root: str
    experiment: str
    log_model: bool


class ToyParams(Section):
    """The 2-D studies. `sigma_*` are standard deviations of a mode, `scales_sigma_*` of noise."""

    batch_size: Count
    density_steps: Count
    density_learning_rate: Positive
    sigma_max: Positive
    sigma_min: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    num_levels: Annotated[int, Field(ge=2)]
    epsilon: Positive
    steps_per_level: Count
    num_samples: Annotated[int, Field(ge=2)]
    num_seeds: Count
    scales_sigma_max: Positive
    scales_sigma_min: Positive
    scales_num_levels: Annotated[int, Field(ge=2)]
    scales_steps: Count
    scales_learning_rate: Positive
    scales_num_networks: Count
    scales_num_samples: Annotated[int, Field(ge=2)]
    manifold_sigma: Positive
    manifold_steps: Count
    manifold_learning_rate: Positive

    @model_validator(mode="after")
    def _downhill(self) -> Self:
        for prefix in ("", "scales_"):
            high, low = (getattr(self, f"{prefix}sigma_{end}") for end in ("max", "min"))
            if high <= low:
                rule = f"must be larger than toy.{prefix}sigma_min ({low})"
                raise ValueError(f"{prefix}sigma_max: {rule}")
        return self


class Params(Section):
    """The whole file."""

    base: BaseParams
    paths: PathsParams
    data: DataParams
    reference: ReferenceParams
    noise: NoiseParams
    model: ModelParams
    train: TrainParams
    sampler: SamplerParams
    sample: SampleParams
    oracle: OracleParams
    evaluate: EvaluateParams
    report: ReportParams
    track: TrackParams
    toy: ToyParams

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


def load_params(*names: str, path: str | Path = PARAMS_FILE) -> Params:
    """Checks all of `path` and returns the sections `names`; others do not exist on the result.

    Raises:
        UserError: the file is missing or not YAML, or a key is unknown, missing, mistyped or out
        of range.
    """
    params = checked_params(read_yaml(path), path)
    return Params.model_construct(**{name: getattr(params, name) for name in names})


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


def _complaint(problem: dict[str, Any]) -> str:
    """One broken rule: dotted key, value, rule and, for an unknown key, the nearest valid one."""
    location = [str(part) for part in problem["loc"]]
    key, kind = ".".join(location), problem["type"]
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

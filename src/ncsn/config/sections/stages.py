"""The sections that bear the name of one stage each.

One frozen class a section, every rule beside its field.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ncsn.config.sections.kinds import (
    AdamEps,
    BatchSize,
    ErrorGroups,
    FloorSubsets,
    Fraction,
    Images,
    LearningRate,
    Levels,
    Line,
    Neighbourhood,
    Points,
    Positive,
    Power,
    Precision,
    Repeats,
    Seconds,
    Section,
    Seed,
    Shown,
    Sigma,
    Steps,
    StepsPerLevel,
    SubsetSize,
    at_least,
    at_most,
)

_STABLE = "a chain on one mode diverges from 4 variances on"
_STILL = "the chain would not move"
_AGAIN = "they are drawn anew at each preview"


class ReferenceParams(Section):
    """The real side of the evaluation: feature extractor and reference split."""

    extractor: Literal["classifier", "inception-v3-compat"]
    feature_layer: Literal["64", "192", "768", "2048", "128"]
    weights_path: (
        Line | None
    )  # inception-v3-compat: a state dict; null lets torch-fidelity download it
    split: Literal["train", "test"]
    classifier_steps: Steps
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


class TrainParams(Section):
    """How the score network is trained."""

    num_steps: Steps
    batch_size: BatchSize
    learning_rate: LearningRate
    adam_beta1: Fraction
    adam_beta2: Fraction
    adam_eps: AdamEps
    weight_power: Power
    ema_decay: Fraction
    uniform_dequantisation: bool
    random_flip: bool
    precision: Precision
    log_every_steps: Steps
    validate_every_steps: Steps
    preview_every_steps: Steps
    frechet_samples: Annotated[
        int, Field(ge=0), at_most(1_000_000, _AGAIN)
    ]  # images drawn at each preview; 0 is off

    @model_validator(mode="after")
    def _enough_for_a_covariance(self) -> Self:
        if self.frechet_samples == 1:
            raise ValueError("frechet_samples: must be 0 (off) or at least 2")
        return self


class SampleParams(Section):
    """How many images are drawn. Block b of `block_size` images draws its noise from (seed, b)."""

    seed: Seed
    num_samples: Images
    block_size: BatchSize
    num_trajectory_images: Shown
    precision: Precision


class OracleParams(Section):
    """What is drawn with the exact score of the training images, under the same sampler."""

    num_samples: Images
    num_draws: Images


class IllustrateParams(Section):
    """How many images are filled in, and how many are drawn without annealing."""

    num_inpainted: Shown
    num_completions: Shown
    num_baseline: Annotated[Shown, Field(ge=2)]


class NeighboursParams(Section):
    """How many samples are looked up among the training images, and how many of those are kept."""

    num_samples: Shown
    num_neighbours: Shown


class EvaluateParams(Section):
    """Sizes inside the metrics of torch-fidelity, of their error bars and of the matched floor."""

    kid_subset_size: SubsetSize
    kid_subsets: Repeats
    prc_neighborhood: Neighbourhood
    error_groups: ErrorGroups  # left out in turn; 0 gives no error bars
    floor_subsets: FloorSubsets  # of real images; 0 gives no matched floor
    floor_images: Images | None  # in each; None takes as many as were generated


class ReportParams(Section):
    """What the report shows."""

    num_grid_images: Shown


class TrackParams(Section):
    """Where MLflow keeps its runs. MLFLOW_TRACKING_URI in the environment wins over `uri`."""

    uri: Line
    artifact_root: Line
    experiment: Annotated[Line, Field(max_length=250)]
    log_model: bool


class SweepParams(Section):
    """Where studies are kept, and when a worker counts as dead.

    NCSN_SWEEP_STORAGE in the environment wins over `storage`.
    """

    storage: str = Field(
        pattern=r"^[a-z0-9+]+://"
    )  # a database URL; SQLite's path is the project's
    heartbeat_sec: Seconds
    grace_sec: Seconds  # without a heartbeat, until a trial is taken for dead
    max_retry: Annotated[int, Field(ge=0), at_most(1000, "such a trial kills its worker")]

    @model_validator(mode="after")
    def _a_heartbeat_may_be_missed(self) -> Self:
        if self.grace_sec < 2 * self.heartbeat_sec:
            rule = f"must be at least {2 * self.heartbeat_sec}, twice sweep.heartbeat_sec"
            raise ValueError(f"grace_sec: {rule}; a living worker would be taken for dead")
        return self


class ToyParams(Section):
    """The 2-D studies. `sigma_*` are standard deviations of a mode, `scales_sigma_*` of noise."""

    batch_size: BatchSize
    density_steps: Steps
    density_learning_rate: LearningRate
    sigma_max: Sigma
    sigma_min: Annotated[Sigma, Field(ge=1)]
    num_levels: Annotated[Levels, Field(ge=2)]
    epsilon: Annotated[Positive, at_least(1e-9, _STILL), at_most(3.99, _STABLE)]
    steps_per_level: StepsPerLevel
    num_samples: Points
    num_seeds: Repeats
    scales_sigma_max: Sigma
    scales_sigma_min: Sigma
    scales_num_levels: Annotated[Levels, Field(ge=2)]
    scales_steps: Steps
    scales_learning_rate: LearningRate
    scales_num_networks: Repeats
    scales_num_samples: Points
    manifold_sigma: Sigma
    manifold_steps: Steps
    manifold_learning_rate: LearningRate

    @model_validator(mode="after")
    def _downhill(self) -> Self:
        for prefix in ("", "scales_"):
            high, low = (getattr(self, f"{prefix}sigma_{end}") for end in ("max", "min"))
            if high <= low:
                rule = f"must be larger than toy.{prefix}sigma_min ({low})"
                raise ValueError(f"{prefix}sigma_max: {rule}")
        return self

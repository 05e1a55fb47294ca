"""The sections that bear the name of one stage each.

One frozen class a section, every rule beside its field.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ncsn.sections.kinds import Count, Fraction, Positive, Precision, Section


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
    precision: Precision
    log_every_steps: Count
    validate_every_steps: Count
    preview_every_steps: Count
    frechet_samples: Annotated[int, Field(ge=0)]  # images drawn at each preview; 0 is off

    @model_validator(mode="after")
    def _enough_for_a_covariance(self) -> Self:
        if self.frechet_samples == 1:
            raise ValueError("frechet_samples: must be 0 (off) or at least 2")
        return self


class SampleParams(Section):
    """How many images are drawn. Block b of `block_size` images draws its noise from (seed, b)."""

    seed: Annotated[int, Field(ge=0)]
    num_samples: Annotated[int, Field(ge=2)]
    block_size: Count
    num_trajectory_images: Count
    precision: Precision


class OracleParams(Section):
    """What is drawn with the exact score of the training images, under the same sampler."""

    num_samples: Annotated[int, Field(ge=2)]
    num_draws: Annotated[int, Field(ge=2)]


class IllustrateParams(Section):
    """How many images are filled in, and how many are drawn without annealing."""

    num_inpainted: Count
    num_completions: Count
    num_baseline: Annotated[int, Field(ge=2)]


class NeighboursParams(Section):
    """How many samples are looked up among the training images, and how many of those are kept."""

    num_samples: Count
    num_neighbours: Count


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


class SweepParams(Section):
    """Where studies are kept, and when a worker counts as dead.

    NCSN_SWEEP_STORAGE in the environment wins over `storage`.
    """

    storage: str = Field(
        pattern=r"^[a-z0-9+]+://"
    )  # a database URL; SQLite's path is the project's
    heartbeat_sec: Count
    grace_sec: Count  # without a heartbeat, until a trial is taken for dead
    max_retry: Annotated[int, Field(ge=0)]  # of a trial whose worker died


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

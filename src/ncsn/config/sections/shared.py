"""The sections that stages share: base, data, noise, model, sampler.

One frozen class a section, every rule beside its field. Rules that join two sections stand in
`params`.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ncsn.config.sections.kinds import (
    BatchSize,
    Channels,
    CropSize,
    DataImages,
    Epsilon,
    ImageSize,
    Levels,
    Line,
    Positive,
    Section,
    Seed,
    Sigma,
    StepsPerLevel,
    at_most,
)


class BaseParams(Section):
    """What all stages share. Only `seed` decides results; the rest decides speed and safety.

    A CPU resumes a training with the bits of an unbroken one, whatever `deterministic` says. A GPU
    does so only with it: sums of many threads at once are then taken in one order, convolutions
    use one algorithm whatever its speed, and `compile: auto` compiles nothing. Where torch has no
    such algorithm the stage ends with torch's error. It is for comparing runs bit by bit on one
    GPU and one version of torch; results without it differ by rounding alone.
    """

    seed: Seed
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d{1,3})?)$")]
    checkpoint_every_sec: Annotated[Positive, at_most(1e7, "four months of work could be lost")]
    max_batch_size: BatchSize
    compile: Literal["auto", "always", "never"]
    deterministic: bool  # algorithms of a GPU that give the same bits each time


class DataParams(Section):
    """Which images, and how `prepare` makes them."""

    name: Literal["digits", "mnist", "fashion_mnist", "cifar10", "celeba", "npz", "folder"]
    root: Line  # downloads land here, and files already here are used first
    path: Line | None  # npz: the archive; folder, celeba: the folder of images
    mirrors: Annotated[
        tuple[Line, ...], Field(strict=False, max_length=100)
    ]  # addresses of folders, tried before the data set's own
    center_crop: CropSize | None
    image_size: ImageSize | None
    test_fraction: Annotated[float, Field(gt=0, lt=1)]  # for sources without a test split
    num_train: DataImages | None
    num_test: DataImages | None

    @model_validator(mode="after")
    def _path_where_needed(self) -> Self:
        if self.name in ("npz", "folder", "celeba") and self.path is None:
            raise ValueError(f"path: must be set for data.name '{self.name}'")
        return self


class NoiseParams(Section):
    """The geometric ladder sigma_1 > ... > sigma_L, in units of pixel values in [0, 1].

    The network is trained on this ladder, or on sigmas drawn log-uniformly from a range that
    holds it; every ladder in the range can then be sampled with one training.
    """

    sigma_max: Sigma
    sigma_min: Sigma
    num_levels: Levels
    training: Literal["ladder", "continuous"]
    range_max: Sigma  # of a continuous training
    range_min: Sigma

    @model_validator(mode="after")
    def _downhill(self) -> Self:
        if self.num_levels > 1 and self.sigma_max <= self.sigma_min:
            raise ValueError(f"sigma_max: must be larger than noise.sigma_min ({self.sigma_min})")
        if self.num_levels == 1 and self.sigma_max != self.sigma_min:
            raise ValueError(
                f"sigma_max: must equal noise.sigma_min ({self.sigma_min}) when num_levels is 1"
            )
        return self

    @model_validator(mode="after")
    def _inside_the_range(self) -> Self:
        if self.range_max <= self.range_min:
            raise ValueError(f"range_max: must be larger than noise.range_min ({self.range_min})")
        if self.training == "continuous":
            rule = "of the continuous training"
            if self.sigma_max > self.range_max:
                limit = f"noise.range_max ({self.range_max})"
                raise ValueError(f"sigma_max: must not be larger than {limit} {rule}")
            if self.sigma_min < self.range_min:
                limit = f"noise.range_min ({self.range_min})"
                raise ValueError(f"sigma_min: must not be smaller than {limit} {rule}")
        return self


class ModelParams(Section):
    """The score network, or `oracle`: the exact score of the training images."""

    name: Literal["ncsn", "ncsnv2", "oracle"]
    base_channels: Channels


class SamplerParams(Section):
    """The Markov chain. `epsilon` is Algorithm 1's: drift alpha/2, noise sqrt(alpha)."""

    name: Literal["annealed_langevin", "consistent_annealed"]
    epsilon: Epsilon
    steps_per_level: StepsPerLevel
    final_denoise: bool

    @model_validator(mode="after")
    def _one_step_where_consistent(self) -> Self:
        if self.name == "consistent_annealed" and self.steps_per_level != 1:
            rule = "must be 1 for consistent_annealed; more steps are a ladder of more levels"
            raise ValueError(f"steps_per_level: {rule}")
        return self

"""Section `toy`: the studies of two-dimensional densities, and of the cost of more dimensions."""

from itertools import pairwise
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from ncsn.config.sections.kinds import (
    BatchSize,
    LearningRate,
    Levels,
    Points,
    Positive,
    Repeats,
    Section,
    Sigma,
    Steps,
    StepsPerLevel,
    at_least,
    at_most,
)

Dimension = Annotated[
    int,
    Field(ge=2),
    at_most(16_384, "the exact trace takes so many backward passes for each point"),
]


def _rising(dims: tuple[int, ...]) -> tuple[int, ...]:
    if not dims:  # asked after the values, so that a wrong one is one complaint
        raise ValueError("must have at least one")
    if any(low >= high for low, high in pairwise(dims)):
        raise ValueError("each must be larger than the one before")
    return dims


class ToyParams(Section):
    """The 2-D studies of the paper's Sec. 3 and of the noise levels.

    `sigma_*` are standard deviations of a mode, `scales_sigma_*` of added noise, both in the units
    of x, in which a mode of the data has standard deviation 1.
    """

    batch_size: BatchSize
    """Points per training step of every network here, 1 to 1,048,576. The paper has 128
    (Appendix B.1)."""

    density_steps: Steps
    """Steps of sliced score matching on the mixture of two modes (Fig. 2), 1 to 100,000,000. The
    paper takes 10,000."""

    density_learning_rate: LearningRate
    """Adam's at the first of these steps, from which it falls to zero; 1e-12 to 100. The paper
    keeps 0.001."""

    sigma_max: Sigma
    """Standard deviation of a mode at the first level of annealed Langevin dynamics (Fig. 3), at
    most 65,536. The paper has 20 (Appendix B.1)."""

    sigma_min: Annotated[Sigma, Field(ge=1)]
    """Standard deviation of a mode at the last level, at least 1, that of the data, which the
    paper has."""

    num_levels: Annotated[Levels, Field(ge=2)]
    """Levels of that ladder, 2 to 10,000. The paper has 10."""

    epsilon: Annotated[
        Positive,
        at_least(1e-9, "the chain would not move"),
        at_most(3.99, "a chain on one mode diverges from 4 variances on"),
    ]
    """Algorithm 1's step size of all chains here, in units of the variance of a mode at the last
    level, 1e-9 to 3.99. The paper has 0.1."""

    steps_per_level: StepsPerLevel
    """Steps at each level, 1 to 1,000,000; a chain without annealing takes as many in all. The
    paper has 100."""

    num_samples: Points
    """Points that each sampler draws per seed, 2 to 10,000,000. The paper shows 1280."""

    num_seeds: Repeats
    """Repetitions of the mixing study with other random numbers, 1 to 100,000."""

    objectives_dims: Annotated[
        tuple[Dimension, ...],
        Field(strict=False, max_length=100),
        AfterValidator(_rising),
    ]
    """Dimensions in which exact trace, slices and denoising are compared, rising, each 2 to
    16,384; the paper's largest images have 3,072 values."""

    objectives_num_draws: Annotated[
        int, Field(ge=2), at_most(100_000, "each takes as long as the first")
    ]
    """Gradients of single points for the noise of each objective, 2 to 100,000."""

    scales_sigma_max: Sigma
    """Largest noise of the study that tries levels alone and together, 1e-6 to 65,536."""

    scales_sigma_min: Sigma
    """Smallest noise of that study, 1e-6 to 65,536."""

    scales_num_levels: Annotated[Levels, Field(ge=2)]
    """Levels of that study, 2 to 10,000."""

    scales_steps: Steps
    """Steps of denoising score matching for each of its networks, 1 to 100,000,000."""

    scales_learning_rate: LearningRate
    """Adam's at the first of these steps, from which it falls to zero; 1e-12 to 100."""

    scales_num_networks: Repeats
    """Networks per level, from different starts, 1 to 100,000."""

    scales_num_samples: Points
    """Points drawn with each network, 2 to 10,000,000."""

    manifold_sigma: Sigma
    """Standard deviation of the noise on a segment in the plane (Fig. 1), 1e-6 to 65,536. The
    paper has 0.01, variance 1e-4."""

    manifold_steps: Steps
    """Steps of sliced score matching on the segment, 1 to 100,000,000."""

    manifold_learning_rate: LearningRate
    """Adam's in these steps, 1e-12 to 100."""

    @model_validator(mode="after")
    def _downhill(self) -> Self:
        for prefix in ("", "scales_"):
            high, low = (getattr(self, f"{prefix}sigma_{end}") for end in ("max", "min"))
            if high <= low:
                rule = f"must be larger than toy.{prefix}sigma_min ({low})"
                raise ValueError(f"{prefix}sigma_max: {rule}")
        return self

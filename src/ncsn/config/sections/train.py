"""Section `train`: how the score network is trained."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ncsn.config.sections.kinds import (
    AdamEps,
    BatchSize,
    Fraction,
    LearningRate,
    Power,
    Precision,
    Section,
    Seed,
    Steps,
    at_least,
    at_most,
)

_ONE_END = "nearly all of a batch would be of the levels at one end"
LevelPower = Annotated[
    float, Field(allow_inf_nan=False), at_least(-2.0, _ONE_END), at_most(2.0, _ONE_END)
]
EmaLength = Annotated[
    float,
    Field(allow_inf_nan=False),
    at_least(0.001, "the average would be the last weights"),
    at_most(0.28, "the plain mean of all steps has 0.2887"),
]


class TrainParams(Section):
    """How the network is trained: weighted denoising score matching (Eqs. 5, 6), with Adam."""

    seed: Seed | None
    """Names the random numbers of this stage alone: first weights, batches, noise, validation and
    previews; the data and what images are measured with stay. A whole number from 0 to 2^63 - 1;
    null takes `base.seed`."""

    num_steps: Steps
    """Optimiser steps, 1 to 100,000,000. The paper takes 200,000."""

    batch_size: BatchSize
    """Images per step, 1 to 1,048,576. The paper has 128."""

    learning_rate: LearningRate
    """Adam's after the warm-up, 1e-12 to 100. The paper has 0.001, NCSNv2 0.0001."""

    warmup_steps: Annotated[int, Field(ge=0)]
    """First steps, in which the learning rate rises along a line; 0 to `num_steps`. The paper has
    0."""

    learning_rate_decay: Literal["constant", "linear", "cosine"]
    """How the learning rate falls from the end of the warm-up to zero after the last step, along a
    line or a half cosine; `constant` keeps it, as the paper does."""

    adam_beta1: Fraction
    """Decay of Adam's mean of gradients per step, from 0 to below 1; the released code has
    0.9."""

    adam_beta2: Fraction
    """Decay of Adam's mean of squared gradients per step, from 0 to below 1; the
    released code has 0.999."""

    adam_eps: AdamEps
    """Added to the root of that mean, in units of gradients, 1e-30 to 1; PyTorch's own is
    1e-8."""

    weight_power: Power
    """p of the level's weight lambda(sigma) = sigma^p, -6 to 6. The paper has 2 (Sec. 4.2), which
    keeps the losses of all levels comparable."""

    level_sampling_power: LevelPower
    """q of the law by which noise levels are drawn, proportional to sigma^q, -2 to 2. The paper
    has 0, all alike; a negative one trains the smallest more often. The gradient then is that of
    the weight sigma^(p + q) on levels drawn alike, up to a factor, with other noise."""

    ema_profile: Literal["exponential", "power"]
    """Which average of the weights samples: `exponential` with `ema_decay`, as in NCSNv2, or
    `power` with `ema_length`, whose memory grows with the training (arXiv 2312.02696)."""

    ema_decay: Fraction
    """Decay per step of the exponential average, from 0 to below 1. NCSNv2 has 0.999 (Technique
    5); 0 samples with the raw weights, as the paper does."""

    ema_length: EmaLength
    """Standard deviation over steps of the power function average, as a share of all steps, 0.001
    to 0.28. Karras et al. try 0.01 to 0.25."""

    uniform_dequantisation: bool
    """Whether byte k is seen as (k + u) / 256 with u uniform in [0, 1), as in the paper, or as
    k / 255."""

    random_flip: bool
    """Whether each image is mirrored left to right with probability 1/2, as the released code
    does for CIFAR-10 and CelebA."""

    precision: Precision
    """What the network computes in: `fp32`, `bf16`, or `auto`: bf16 on GPUs that have it, on CPUs
    with AMX-BF16 or AVX512-BF16 and a C++ compiler where the work is long enough to pay for
    compiling, and else fp32. A resumed training keeps what it began in. Weights, their averages,
    the optimiser and losses are fp32 always."""

    log_every_steps: Steps
    """Steps between two rows of the training log; 1 to 100,000,000."""

    validate_every_steps: Steps
    """Steps between two losses on held-out images; 1 to 100,000,000."""

    preview_every_steps: Steps
    """Steps between two small grids of samples; 1 to 100,000,000."""

    frechet_samples: Annotated[
        int, Field(ge=0), at_most(1_000_000, "they are drawn anew at each preview")
    ]
    """Images drawn at each preview for `val/pixel_frechet`, by which sweeps may prune: 0 is off,
    else 2 to 1,000,000."""

    @model_validator(mode="after")
    def _warm_before_the_end(self) -> Self:
        if self.warmup_steps > self.num_steps:
            raise ValueError(f"warmup_steps: must be at most train.num_steps ({self.num_steps})")
        return self

    @model_validator(mode="after")
    def _enough_for_a_covariance(self) -> Self:
        if self.frechet_samples == 1:
            raise ValueError("frechet_samples: must be 0 (off) or at least 2")
        return self

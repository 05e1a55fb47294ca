"""From the section sampler to a chain."""

from collections.abc import Callable

from torch import Tensor

from ncsn.params import SamplerParams
from ncsn.samplers.langevin import NoiseFn, OnLevel, ScoreFn, annealed_langevin


def build_sampler(
    params: SamplerParams, sigmas: Tensor
) -> Callable[[ScoreFn, Tensor, NoiseFn, OnLevel | None], Tensor]:
    """Returns the chain (score_fn, start, noise, on_level) -> samples."""

    def chain(score_fn: ScoreFn, x: Tensor, noise: NoiseFn, on_level: OnLevel | None) -> Tensor:
        return annealed_langevin(
            score_fn,
            x,
            sigmas,
            epsilon=params.epsilon,
            steps_per_level=params.steps_per_level,
            noise=noise,
            final_denoise=params.final_denoise,
            on_level=on_level,
        )

    return chain


def evaluations_per_image(params: SamplerParams, num_levels: int) -> int:
    """Network evaluations that one image costs."""
    return num_levels * params.steps_per_level + params.final_denoise

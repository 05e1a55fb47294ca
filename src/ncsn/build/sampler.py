"""From the section sampler to a chain."""

from collections.abc import Callable

from torch import Tensor

from ncsn.params import SamplerParams
from ncsn.samplers.consistent import consistent_annealed
from ncsn.samplers.langevin import NoiseFn, OnLevel, ScoreFn, annealed_langevin

Chain = Callable[[ScoreFn, Tensor, NoiseFn, OnLevel | None], Tensor]


def build_sampler(params: SamplerParams, sigmas: Tensor) -> Chain:
    """Returns the chain (score_fn, start, noise, on_level) -> samples."""
    return {"annealed_langevin": _annealed, "consistent_annealed": _consistent}[params.name](
        params, sigmas
    )


def evaluations_per_image(params: SamplerParams, num_levels: int) -> int:
    """Network evaluations that one image costs."""
    return num_levels * params.steps_per_level + params.final_denoise


def _annealed(params: SamplerParams, sigmas: Tensor) -> Chain:
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


def _consistent(params: SamplerParams, sigmas: Tensor) -> Chain:
    def chain(score_fn: ScoreFn, x: Tensor, noise: NoiseFn, on_level: OnLevel | None) -> Tensor:
        return consistent_annealed(
            score_fn,
            x,
            sigmas,
            epsilon=params.epsilon,
            noise=noise,
            final_denoise=params.final_denoise,
            on_level=on_level,
        )

    return chain

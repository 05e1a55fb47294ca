"""From the section sampler to a chain."""

from collections.abc import Callable
from functools import partial

from torch import Tensor

from ncsn.params import SamplerParams
from ncsn.samplers.consistent import consistent_annealed
from ncsn.samplers.langevin import NoiseFn, OnLevel, ScoreFn, annealed_langevin

Chain = Callable[[ScoreFn, Tensor, NoiseFn, OnLevel | None], Tensor]


def build_sampler(params: SamplerParams, sigmas: Tensor) -> Chain:
    """Returns the chain (score_fn, start, noise, on_level) -> samples."""
    options: dict[str, float] = {
        "epsilon": params.epsilon,
        "final_denoise": params.final_denoise,
    }
    sampler: Callable[..., Tensor] = consistent_annealed
    if params.name == "annealed_langevin":
        sampler = partial(annealed_langevin, steps_per_level=params.steps_per_level)

    def chain(score_fn: ScoreFn, x: Tensor, noise: NoiseFn, on_level: OnLevel | None) -> Tensor:
        return sampler(score_fn, x, sigmas, noise=noise, on_level=on_level, **options)

    return chain


def evaluations_per_image(params: SamplerParams, num_levels: int) -> int:
    """Network evaluations that one image costs."""
    return num_levels * params.steps_per_level + params.final_denoise

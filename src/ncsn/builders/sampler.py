"""Builds the chain of the section sampler."""

from collections.abc import Callable, Mapping

from torch import Tensor

from ncsn.config.params import SamplerParams
from ncsn.maths.samplers.annealing import Kernel
from ncsn.maths.samplers.consistent import consistent_annealed
from ncsn.maths.samplers.evaluations import network_evaluations
from ncsn.maths.samplers.langevin import annealed_langevin


def build_sampler(params: SamplerParams, sigmas: Tensor) -> Kernel:
    """Returns the chain of the section sampler, on a ladder of shape (L,), float64."""
    return _SAMPLERS[params.name](
        sigmas,
        epsilon=params.epsilon,
        steps_per_level=params.steps_per_level,
        final_denoise=params.final_denoise,
    )


def _consistent_annealed(
    sigmas: Tensor, *, epsilon: float, steps_per_level: int, final_denoise: bool
) -> Kernel:
    assert steps_per_level == 1  # a rule of params.yaml
    return consistent_annealed(sigmas, epsilon=epsilon, final_denoise=final_denoise)


_SAMPLERS: Mapping[str, Callable[..., Kernel]] = {
    "annealed_langevin": annealed_langevin,
    "consistent_annealed": _consistent_annealed,
}


def evaluations_per_image(params: SamplerParams, num_levels: int) -> int:
    """Returns the network evaluations per image of the section sampler on a ladder."""
    return network_evaluations(num_levels, params.steps_per_level, params.final_denoise)

"""Builds what the section train says of rates, levels and averages as functions."""

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor

from ncsn.config.params import TrainParams
from ncsn.maths.ema import Profile, exponential_profile, power_profile
from ncsn.maths.learning_rate import constant_decay, cosine_decay, linear_decay, warmup_factor
from ncsn.maths.level_sampling import level_probabilities, levels_at, sigmas_at

LevelAt = Callable[[Tensor], Tensor]  # uniform numbers (B,) -> levels (B,)

_DECAYS: Mapping[str, Callable[[float], float]] = {
    "constant": constant_decay,
    "linear": linear_decay,
    "cosine": cosine_decay,
}


def build_learning_rate(params: TrainParams) -> Callable[[int], float]:
    """Returns Adam's learning rate by step, from 0: a warm-up, then a decay to the last step."""
    decay, num_decayed = (
        _DECAYS[params.learning_rate_decay],
        params.num_steps - params.warmup_steps,
    )

    def rate(step: int) -> float:
        if step < params.warmup_steps:
            return params.learning_rate * warmup_factor(step, params.warmup_steps)
        return params.learning_rate * decay((step - params.warmup_steps) / num_decayed)

    return rate


def build_average_profile(params: TrainParams) -> Profile:
    """Returns the decay of the averaged weights by update, from 1."""
    if params.ema_profile == "power":
        return power_profile(params.ema_length)
    return exponential_profile(params.ema_decay)


def build_level_sampling(
    params: TrainParams, sigmas: Tensor, sigma_range: tuple[float, float] | None
) -> LevelAt | None:
    """Returns how uniform numbers become noise levels; None where all of a ladder are drawn alike.

    Args:
        params: the section train.
        sigmas: the ladder of the training, on the device of the levels, shape (L,).
        sigma_range: largest and smallest sigma of a continuous training, whose levels are sigmas.
    """
    power = params.level_sampling_power
    if sigma_range is not None:
        return partial(sigmas_at, *sigma_range, power)
    if power == 0:
        return None
    cumulative = level_probabilities(sigmas, power).cumsum(0)
    return partial(levels_at, cumulative.to(sigmas.device))

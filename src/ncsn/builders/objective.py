"""Builds the objective of the section train."""

from collections.abc import Callable
from functools import partial

from torch import Tensor

from ncsn.config.params import TrainParams
from ncsn.maths.losses import denoising_score_matching

_OBJECTIVES = {"dsm": denoising_score_matching}


def build_objective(params: TrainParams, sigmas: Tensor) -> Callable[..., Tensor]:
    """Returns the objective (score_fn, x, level, z) -> losses (B,)."""
    return partial(_OBJECTIVES[params.objective], sigmas=sigmas, weight_power=params.weight_power)

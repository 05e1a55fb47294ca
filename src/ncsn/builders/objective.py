"""Builds the objective of the section train."""

from functools import partial

from torch import Tensor

from ncsn.config.params import TrainParams
from ncsn.maths.losses import denoising_score_matching
from ncsn.maths.types import Objective


def build_objective(params: TrainParams, sigmas: Tensor) -> Objective:
    """Returns denoising score matching with the section's weights: maps a batch to losses (B,)."""
    return partial(denoising_score_matching, sigmas=sigmas, weight_power=params.weight_power)

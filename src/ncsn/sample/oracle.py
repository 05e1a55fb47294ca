"""What the exact score of the training images gives: samples of the same chain, least losses."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ncsn.base.rng import generator
from ncsn.builders.sampler import build_sampler, evaluations_per_image
from ncsn.builders.score_net import build_sigmas
from ncsn.config.params import Params
from ncsn.maths.exact_score import DataScore
from ncsn.maths.least_loss import least_dsm_loss
from ncsn.runtime.ranks import ALONE, Ranks
from ncsn.sample.blocks import Draw, draw_samples

_DIGITS = 12  # significant ones, of least losses


def oracle_samples(
    points: Tensor, params: Params, folder: Path, ranks: Ranks = ALONE
) -> np.ndarray:
    """Draws images with the exact score, by the chain and from the noise of the stage `sample`.

    Args:
        points: the training images, uint8, shape (N, C, H, W), on the device of the drawing.
        params: with the sections base, noise, train, sampler, sample and oracle.
        folder: takes the finished blocks; one for all ranks.
        ranks: those that the blocks are dealt to; all but the first end here.

    Returns:
        uint8, shape (oracle.num_samples, H, W, C).

    Raises:
        Diverged: a chain left the finite numbers.
    """
    sigmas = build_sigmas(params.noise).to(points.device)
    score_fn = DataScore(points, sigmas, dequantised=params.train.uniform_dequantisation)
    kernel = build_sampler(params.sampler, sigmas)
    channels, height, width = points.shape[1:]
    evaluations = evaluations_per_image(params.sampler, len(sigmas))
    draw = Draw(kernel, score_fn, (channels, height, width), evaluations)
    wanted = params.sample.model_copy(update={"num_samples": params.oracle.num_samples})
    return draw_samples(draw, wanted, params.base.max_batch_size, folder, ranks).images


def least_losses(points: Tensor, params: Params) -> dict[str, Any]:
    """Returns the ladder and the least loss of each level with its standard error, as lists.

    Args:
        points: the training images, uint8, shape (N, C, H, W).
        params: with the sections noise, train, sample and oracle.
    """
    sigmas = build_sigmas(params.noise)
    least = least_dsm_loss(
        points,
        sigmas,
        generator(params.sample.seed, "least-loss"),
        num_draws=params.oracle.num_draws,
        dequantised=params.train.uniform_dequantisation,
    )
    losses = {name: [_cut(value) for value in values] for name, values in least._asdict().items()}
    return {"sigmas": sigmas.tolist(), **losses}


def _cut(value: Tensor) -> float:
    """The digits that do not depend on the number of threads, by which sums are ordered."""
    return float(f"{float(value):.{_DIGITS}g}")

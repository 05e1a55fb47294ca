"""The Frechet distance in raw pixels, on the device of a training that watches itself.

The numbers of the evaluation are torch-fidelity's (`metrics`); this one is for pruning, where a
rank among trainings is wanted in seconds.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ncsn.errors import UserError
from ncsn.limits import MAX_PIXELS

_ROWS = 1024  # in float64 at once


class PixelStatistics(NamedTuple):
    """Mean (D,) and unbiased covariance (D, D) of images as points in [0, 1]^D, float64."""

    mean: Tensor
    cov: Tensor


def pixel_statistics(images: Tensor) -> PixelStatistics:
    """Returns the statistics of images.

    Args:
        images: uint8, shape (N, C, H, W), N at least 2.

    Raises:
        UserError: more than 4096 numbers an image.
    """
    if (size := images[0].numel()) > MAX_PIXELS:
        raise UserError(
            f"params.yaml: train.frechet_samples: images have {size} numbers, more than the "
            f"{MAX_PIXELS} that a pixel covariance is made for; set it to 0"
        )
    parts = images.flatten(1).split(_ROWS)
    mean = torch.stack([part.double().sum(0) for part in parts]).sum(0) / len(images)
    cov = torch.zeros(size, size, dtype=torch.float64, device=images.device)
    for part in parts:
        centred = part.double() - mean
        cov += centred.T @ centred
    return PixelStatistics(mean / 255, cov / (255**2 * (len(images) - 1)))


def frechet_distance(first: PixelStatistics, second: PixelStatistics) -> float:
    """Returns the squared Frechet distance of two Gaussians (Heusel et al. 2017, Eq. 6).

    |m1 - m2|^2 + tr(C1 + C2) - 2 tr((C1^(1/2) C2 C1^(1/2))^(1/2)); covariances may be singular.
    """
    values, axes = torch.linalg.eigh(first.cov)
    root = axes * values.clamp_min(0).sqrt() @ axes.T
    shared = torch.linalg.eigvalsh(root @ second.cov @ root).clamp_min(0).sqrt().sum()
    spread = first.cov.trace() + second.cov.trace() - 2 * shared
    return float((first.mean - second.mean).square().sum() + spread)

"""Noise ladders sigma_1 > ... > sigma_L (Song & Ermon 2019, Sec. 4.1).

A ladder is a float64 tensor of standard deviations, largest first: level 0 is the noisiest. It is
built once and passed on; each use casts it to the dtype of its images.
"""

import torch
from torch import Tensor


def geometric_sigmas(sigma_max: float, sigma_min: float, num_levels: int) -> Tensor:
    """Geometric ladder from `sigma_max` down to `sigma_min` (Song & Ermon 2019, Sec. 4.1).

    Returns:
        Standard deviations in the units of x, shape (L,), float64, both ends exact.

    Raises:
        ValueError: unless sigma_max > sigma_min > 0, or both are equal and num_levels is 1.

    >>> [round(sigma, 5) for sigma in geometric_sigmas(1.0, 0.01, 10)[:3].tolist()]
    [1.0, 0.59948, 0.35938]
    """
    single = num_levels == 1 and sigma_max == sigma_min > 0
    if not single and not (num_levels > 1 and sigma_max > sigma_min > 0):
        raise ValueError(
            "sigma_max > sigma_min > 0 (equal for one level) must hold, "
            f"got sigma_max={sigma_max}, sigma_min={sigma_min}, num_levels={num_levels}"
        )
    exponent = torch.linspace(0, 1, num_levels, dtype=torch.float64)
    sigmas = sigma_max * (sigma_min / sigma_max) ** exponent
    sigmas[0], sigmas[-1] = sigma_max, sigma_min
    return sigmas


def ladder_index(level: Tensor, sigmas: Tensor) -> Tensor:
    """Index of the level of a ladder nearest to each noise level, in the logarithm of sigma.

    Args:
        level: indices, int64, which are returned as they are; or sigmas, floating; shape (B,).
        sigmas: the ladder, shape (L,).

    Returns:
        Indices, int64, shape (B,).
    """
    if not level.is_floating_point():
        return level
    return (level[:, None].log() - sigmas.to(level.dtype).log()).abs().argmin(1)

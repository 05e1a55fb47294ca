"""What NCSNv2 would set for a data set: ladder and step size (Song & Ermon 2020, 2006.09011).

Technique 1 sets sigma_max, Technique 2 the number of levels, Technique 4 epsilon. Epsilon is
Algorithm 1's throughout (drift alpha/2, noise sqrt(alpha)). NCSNv2 and its code write drift a,
noise sqrt(2 a); their number is half of ours (`released_step`). `advice` says it in the words of
params.yaml.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

SIGMA_MIN = 0.01  # where NCSN and NCSNv2 end every ladder, for pixel values in [0, 1]

# Technique 2's own number. The published ladders have 0.566 to 0.567, which takes 5 to 6 % more
# levels; no one target gives all five, and each level costs steps_per_level evaluations per image.
OVERLAP = 0.5
PUBLISHED_OVERLAP = 0.566

_DIGITS = 3  # significant ones, of advised values


class Settings(NamedTuple):
    """The five numbers of a ladder and its chain, named as in params.yaml.

    Attributes:
        sigma_max: standard deviation of the first level, in units of pixel values in [0, 1].
        sigma_min: that of the last.
        num_levels: number of levels.
        epsilon: Algorithm 1's step size at the last level.
        steps_per_level: Langevin steps at each level.
    """

    sigma_max: float
    sigma_min: float
    num_levels: int
    epsilon: float
    steps_per_level: int


class Diagnosis(NamedTuple):
    """What settings amount to under the three techniques.

    Attributes:
        reach: sigma_max over the largest distance between training images; Technique 1 asks for 1.
        ratio: sigma of a level over that of the next; 1 for a single level.
        overlap: Technique 2's overlap of neighbouring levels.
        variance_ratio: Technique 4's variance at the end of a level over sigma^2, at best 1.
        steps_per_image: Langevin steps over all levels.
        released_step: epsilon in the form of NCSNv2 and its code.
    """

    reach: float
    ratio: float
    overlap: float
    variance_ratio: float
    steps_per_image: int
    released_step: float


def advised_settings(
    largest_distance: float, dim: int, steps_per_level: int, target_overlap: float = OVERLAP
) -> Settings:
    """Settings by Techniques 1, 2 and 4, sigma_max and epsilon to 3 significant digits.

    Args:
        largest_distance: Euclidean, between training images with pixel values in [0, 1].
        dim: number of values in an image, C * H * W.
        steps_per_level: what the budget allows; evaluations per image are this times the levels.
        target_overlap: least overlap of neighbouring levels, above 0 and below 0.99.

    Returns:
        The settings; `steps_per_level` as given.

    Raises:
        ValueError: largest_distance is not above the sigma_min of 0.01, or another argument is
            out of range.
    """
    sigma_max = _rounded(largest_distance)
    num_levels = advised_num_levels(sigma_max, SIGMA_MIN, dim, target_overlap)
    ratio = ladder_ratio(sigma_max, SIGMA_MIN, num_levels)
    epsilon = _rounded(advised_epsilon(SIGMA_MIN, ratio, steps_per_level))
    return Settings(sigma_max, SIGMA_MIN, num_levels, epsilon, steps_per_level)


def diagnosis(settings: Settings, largest_distance: float, dim: int) -> Diagnosis:
    """What `settings` amount to for images of `dim` values; distances as in `advised_settings`."""
    sigma_max, sigma_min, num_levels, epsilon, steps_per_level = settings
    ratio = ladder_ratio(sigma_max, sigma_min, num_levels)
    return Diagnosis(
        reach=sigma_max / largest_distance,
        ratio=ratio,
        overlap=level_overlap(ratio, dim),
        variance_ratio=variance_ratio(epsilon, sigma_min, ratio, steps_per_level),
        steps_per_image=num_levels * steps_per_level,
        released_step=released_step(epsilon),
    )


def ladder_ratio(sigma_max: float, sigma_min: float, num_levels: int) -> float:
    """Sigma of a level over that of the next, gamma > 1 in NCSNv2; 1 for a single level.

    >>> round(ladder_ratio(1, 0.01, 10), 5)
    1.6681
    """
    return 1.0 if num_levels == 1 else (sigma_max / sigma_min) ** (1 / (num_levels - 1))


def level_overlap(ratio: float, dim: int) -> float:
    """Share of a level's noise that lies where the level before has its own (Technique 2).

    The radius of N(0, sigma^2 I) is close to N(sqrt(D) sigma, sigma^2 / 2). The overlap is the
    mass of a level's radius within three standard deviations around the mean radius of the level
    before, Phi(sqrt(2D) (ratio - 1) + 3 ratio) - Phi(sqrt(2D) (ratio - 1) - 3 ratio).

    Args:
        ratio: sigma of a level over that of the next.
        dim: D, number of values in an image.

    Returns:
        The overlap C, between 0 and 1.
    """
    shift = math.sqrt(2 * dim) * (ratio - 1)
    return _normal_cdf(shift + 3 * ratio) - _normal_cdf(shift - 3 * ratio)


def advised_num_levels(
    sigma_max: float, sigma_min: float, dim: int, target_overlap: float = OVERLAP
) -> int:
    """Smallest number of levels whose overlap is at least the target (Technique 2).

    Args:
        sigma_max: standard deviation of the first level.
        sigma_min: that of the last.
        dim: number of values in an image.
        target_overlap: as `level_overlap` gives it.

    Returns:
        The number of levels, at least 2.

    Raises:
        ValueError: unless sigma_max > sigma_min > 0, dim is positive and 0 < target_overlap < .99.
    """
    if not (sigma_max > sigma_min > 0 and dim >= 1 and 0 < target_overlap < 0.99):
        raise ValueError(
            "sigma_max > sigma_min > 0, dim >= 1 and 0 < target_overlap < 0.99 must hold, got "
            f"{sigma_max}, {sigma_min}, {dim} and {target_overlap}"
        )
    low, high = 1, 2  # more levels overlap more
    while _overlap_of(sigma_max, sigma_min, high, dim) < target_overlap:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        enough = _overlap_of(sigma_max, sigma_min, middle, dim) >= target_overlap
        low, high = (low, middle) if enough else (middle, high)
    return high


def variance_ratio(epsilon: float, sigma_min: float, ratio: float, steps_per_level: int) -> float:
    """Variance after a level's steps over sigma^2, where all data are one point (Technique 4).

    A chain that comes from the level before, with variance ratio^2 sigma^2, ends with
    (1-e)^(2T) (ratio^2 - b) + b in units of sigma^2, where e = epsilon / (2 sigma_min^2) and
    b = 2e / (1 - (1-e)^2) is where it would settle. It is the same at every level, and above 1
    where `ratio` is.

    Args:
        epsilon: Algorithm 1's.
        sigma_min: standard deviation of the last level.
        ratio: sigma of a level over that of the next.
        steps_per_level: T.

    Returns:
        The ratio; infinite where the chain diverges, from epsilon = 4 sigma_min^2 on.
    """
    e = released_step(epsilon) / sigma_min**2
    if e >= 2:
        return math.inf
    return float(_variances(torch.tensor(e, dtype=torch.float64), ratio, steps_per_level))


def advised_epsilon(sigma_min: float, ratio: float, steps_per_level: int) -> float:
    """Algorithm 1's epsilon that brings the variance after a level closest to sigma^2.

    Technique 4 searches a grid; this one is refined around its best point until 8 digits stand.
    For one step the answer is 2 sigma_min^2 (1 - 1 / ratio^2).

    Args:
        sigma_min: standard deviation of the last level.
        ratio: sigma of a level over that of the next.
        steps_per_level: T.

    Returns:
        The epsilon, in squared units of sigma_min; below 2 sigma_min^2.

    Raises:
        ValueError: unless ratio > 1, sigma_min > 0 and steps_per_level >= 1.
    """
    if not (ratio > 1 and sigma_min > 0 and steps_per_level >= 1):
        raise ValueError(
            "ratio > 1, sigma_min > 0 and steps_per_level >= 1 must hold, got "
            f"{ratio}, {sigma_min} and {steps_per_level}"
        )
    low, high = 0.0, 1.0  # beyond e = 1 a step jumps across the mode and the chain settles wider
    for _ in range(4):
        e = torch.linspace(low, high, 1001, dtype=torch.float64)
        best = int(_variances(e, ratio, steps_per_level)[1:-1].argmin()) + 1
        low, high = float(e[best - 1]), float(e[best + 1])
    return (low + high) * sigma_min**2  # epsilon is 2 e sigma_min^2


def released_step(epsilon: float) -> float:
    """NCSNv2's step size (drift a, noise sqrt(2 a)) of Algorithm 1's epsilon: one half."""
    return epsilon / 2


def _variances(e: Tensor, ratio: float, steps_per_level: int) -> Tensor:
    settled = 1 / (1 - e / 2)  # 2e / (1 - (1-e)^2)
    return (1 - e) ** (2 * steps_per_level) * (ratio**2 - settled) + settled


def _overlap_of(sigma_max: float, sigma_min: float, num_levels: int, dim: int) -> float:
    return level_overlap(ladder_ratio(sigma_max, sigma_min, num_levels), dim)


def _normal_cdf(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")

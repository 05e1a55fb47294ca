"""The least denoising loss that any network reaches on a training set, level by level.

With x = y + sigma z the loss of the exact score is E ||y - E[y|x]||^2 / (2 sigma^2): what x leaves
unknown of the clean image y. Uniform dequantisation draws y anew in every step, y = (k + u) / 256,
which adds to what is unknown.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from ncsn.maths.exact_score import point_values, smoothed_data_score

_REACH = 9.0  # standard deviations; the density beyond is below 1e-18
_NUM_NODES = 20_001


class LeastLoss(NamedTuple):
    """The least reachable denoising loss of each level and its Monte-Carlo error.

    Attributes:
        mean: shape (L,), float64.
        standard_error: shape (L,), float64; 0 where the value is known without draws.
    """

    mean: Tensor
    standard_error: Tensor


def least_dsm_loss(
    points: Tensor,
    sigmas: Tensor,
    generator: torch.Generator,
    *,
    num_draws: int = 1000,
    batch_size: int = 250,
    dequantised: bool = False,
    chunk_size: int = 4096,
) -> LeastLoss:
    """The denoising loss that no network gets below on these points.

    It is E over y and z of 1/2 ||sigma s*(y + sigma z) + z||^2, the loss of Song & Ermon 2019
    (Eq. 5) times sigma^2 with the exact score, estimated with `num_draws` pairs (y, z) that serve
    all levels. A network's loss less this value is sigma^2 times its Fisher divergence to q_sigma.
    With dequantisation it is the larger of two lower bounds (`_larger_bound`).

    Args:
        points: training points, as in `smoothed_data_score`.
        sigmas: the ladder, shape (L,).
        generator: on the CPU for every device; draws the indices of all y, then noise by batches.
        num_draws: pairs (y, z), at least 2.
        batch_size: pairs evaluated at a time.
        dequantised: whether training sees integer points k as (k + u) / 256.
        chunk_size: as in `smoothed_data_score`.

    Returns:
        Mean and standard error of each level, summed over data axes.
    """
    score_at = partial(
        smoothed_data_score, points=points, dequantised=dequantised, chunk_size=chunk_size
    )
    losses: list[Tensor] = []
    for pick in torch.randint(len(points), (num_draws,), generator=generator).split(batch_size):
        clean = point_values(points[pick.to(points.device)], dequantised=dequantised)
        z = torch.randn(clean.shape, generator=generator, dtype=torch.float64).to(clean.device)
        losses += [_losses(score_at, clean, z, sigma) for sigma in sigmas.tolist()]
    table = _by_level(losses, len(sigmas)).cpu()
    least = LeastLoss(table.mean(1), table.std(1) / num_draws**0.5)
    return _larger_bound(least, points[0].numel(), sigmas.cpu()) if dequantised else least


def _losses(
    score_at: Callable[[Tensor, float], Tensor], clean: Tensor, z: Tensor, sigma: float
) -> Tensor:
    """Losses of one level, shape (B,)."""
    score = score_at(clean + sigma * z, sigma)
    return 0.5 * (sigma * score + z).flatten(1).square().sum(1)


def _larger_bound(known: LeastLoss, size: int, sigmas: Tensor) -> LeastLoss:
    """The least loss under uniform dequantisation (k + u) / 256 of `size` values.

    A network that was told u would face the points without dequantisation, which gives `known`.
    One that was told k would face u alone: `size` times `jitter_loss`. On scikit-learn's digits
    (64 values) and the paper's ladder the smaller bound reaches 0.0024, at a level where the
    larger one is 0.038, and is less at all others.
    """
    mean, error = known
    jitter = size * jitter_loss(1 / 256, sigmas)
    return LeastLoss(torch.maximum(mean, jitter), torch.where(jitter > mean, 0.0, error))


def jitter_loss(width: float, sigmas: Tensor) -> Tensor:
    """The least denoising loss of one value that is uniform over an interval.

    1/2 E (sigma s(x) + z)^2 = 1/2 (1 - sigma^2 E s(x)^2), where s is the score of the interval
    smoothed by N(0, sigma^2). The best linear estimate of the value gives 1/2 v / (v + 1) with v =
    width^2 / (12 sigma^2), which is larger, and equal to it as v -> 0.

    Args:
        width: of the interval, in the units of sigma.
        sigmas: noise levels, shape (L,).

    Returns:
        Losses, shape (L,), float64.
    """
    return 0.5 * (1 - smoothed_uniform_information(width, sigmas))


def smoothed_uniform_information(width: float, sigmas: Tensor) -> Tensor:
    """sigma^2 E s(x)^2, where s is the score of a uniform interval smoothed by N(0, sigma^2).

    By the trapezoidal rule. It lies between 0 (a wide interval) and 1 (a point).

    Args:
        width: of the interval, in the units of sigma.
        sigmas: noise levels, shape (L,).

    Returns:
        Numbers without unit, shape (L,), float64.
    """
    half = width / (2 * sigmas.double())[:, None]
    t = torch.linspace(-1, 1, _NUM_NODES, dtype=torch.float64) * (half + _REACH)
    # from the tail inwards: differences of numbers near 1 would lose the density there
    density = _below(half - t.abs()) - _below(-half - t.abs())
    slope = _bell(t + half) - _bell(t - half)
    return torch.trapezoid(slope.square() / density, t, dim=1) / (2 * half[:, 0])


def _below(t: Tensor) -> Tensor:
    """The standard normal distribution function; torch.special.ndtr has few digits below -5."""
    return 0.5 * torch.special.erfc(-t / 2**0.5)


def _bell(t: Tensor) -> Tensor:
    """The standard normal density."""
    return torch.exp(-0.5 * t.square()) / (2 * torch.pi) ** 0.5


def _by_level(losses: list[Tensor], num_levels: int) -> Tensor:
    """Rows of levels, shape (L, num_draws), from batches that ran through all levels in turn."""
    return torch.stack([torch.cat(losses[level::num_levels]) for level in range(num_levels)])

"""Consistent annealed sampling (Jolicoeur-Martineau et al. 2020, arXiv 2009.05475, Algorithm 2).

One step a level, with noise chosen so that a point at noise level sigma_k lands at sigma_{k+1}.
Several steps a level are a ladder of (L - 1) n + 1 levels. Its paper states the step size as the
drift, ours as Algorithm 1 of Song & Ermon 2019 does: eta = epsilon / (2 sigma_L^2).
"""

from collections.abc import Callable

import torch
from torch import Tensor

ScoreFn = Callable[[Tensor, Tensor], Tensor]
NoiseFn = Callable[[Tensor], Tensor]
OnLevel = Callable[[int, Tensor], None]


def consistent_noise_scales(sigmas: Tensor, epsilon: float) -> Tensor:
    """Standard deviation sigma_{k+1} beta_k of the noise that each step adds; 0 at the last level.

    With gamma = sigma_{k+1} / sigma_k and eta = epsilon / (2 sigma_L^2),
    beta = sqrt(1 - ((1 - eta) / gamma)^2).

    Args:
        sigmas: the ladder, largest first, shape (L,).
        epsilon: Algorithm 1's step size at the last level, in squared units of x.

    Returns:
        Scales in the units of x, shape (L,), float64.

    Raises:
        ValueError: unless 1 - gamma < eta < 1 + gamma between all levels (0 < eta < 2 for a
            single level).
    """
    sigmas = sigmas.double()
    eta = epsilon / (2 * float(sigmas[-1]) ** 2)
    gamma = float((sigmas[1:] / sigmas[:-1]).min()) if len(sigmas) > 1 else 1.0
    if not 1 - gamma < eta < 1 + gamma:
        low, high = (2 * float(sigmas[-1]) ** 2 * eta for eta in (1 - gamma, 1 + gamma))
        raise ValueError(
            f"epsilon: 1 - gamma < epsilon / (2 sigma_L^2) < 1 + gamma must hold, with gamma = "
            f"{gamma:.6g} the smallest ratio of neighbouring sigmas: between {low:.4g} and "
            f"{high:.4g}, got {epsilon:.6g}"
        )
    scales = (sigmas[1:].square() - ((1 - eta) * sigmas[:-1]).square()).sqrt()
    return torch.cat([scales, scales.new_zeros(1)])


def consistent_annealed(
    score_fn: ScoreFn,
    x: Tensor,
    sigmas: Tensor,
    *,
    epsilon: float,
    noise: NoiseFn,
    final_denoise: bool = False,
    on_level: OnLevel | None = None,
) -> Tensor:
    """Consistent annealed sampling (arXiv 2009.05475): L steps, the last one without noise.

    x <- x + eta sigma_k^2 s(x, sigma_k) + sigma_{k+1} beta_k z. Around a data point, where the
    score is (point - x) / sigma_k^2, a state of std sigma_k goes to std sigma_{k+1} exactly.
    Annealed Langevin dynamics leaves more noise than its level has. Nothing is clamped.

    Args:
        score_fn: maps (x, level) to scores; level is int64, shape (B,).
        x: start, shape (B, ...); not modified.
        sigmas: the ladder in the units of x, largest first, shape (L,).
        epsilon: Algorithm 1's step size at the last level; the paper's epsilon, which is the
            drift, is half of it.
        noise: returns standard normal noise of the shape of its argument; called L - 1 times.
        final_denoise: whether to end with x + sigma_L^2 s(x, sigma_L), the mean of the clean
            image.
        on_level: called with (level, x) after each level; it must not modify x.

    Returns:
        Samples, shape (B, ...).

    Raises:
        ValueError: epsilon outside the range of `consistent_noise_scales`.
    """
    eta = epsilon / (2 * float(sigmas[-1]) ** 2)
    scales = consistent_noise_scales(sigmas, epsilon).tolist()
    for index, (sigma, scale) in enumerate(zip(sigmas.tolist(), scales, strict=True)):
        level = torch.full((len(x),), index, dtype=torch.int64, device=x.device)
        x = x.add(score_fn(x, level), alpha=eta * sigma**2)
        if index < len(scales) - 1:
            x = x.add(noise(x), alpha=scale)
        if on_level is not None:
            on_level(index, x)
    if final_denoise:
        x = x + float(sigmas[-1]) ** 2 * score_fn(x, level)
    return x

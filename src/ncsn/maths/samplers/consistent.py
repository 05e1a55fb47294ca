"""Consistent annealed sampling (Jolicoeur-Martineau et al. 2020, arXiv 2009.05475, Algorithm 2).

One step per level, with noise chosen so that a point at noise level sigma_k lands at sigma_{k+1}.
Several steps per level are a ladder of (L - 1) n + 1 levels. Its paper states the step size as the
drift, ours as Algorithm 1 of Song & Ermon 2019 does: eta = epsilon / (2 sigma_L^2).
"""

import torch
from torch import Tensor

from ncsn.maths.samplers.annealing import Kernel, State
from ncsn.maths.types import NoiseFn


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


def consistent_annealed(sigmas: Tensor, *, epsilon: float, final_denoise: bool = False) -> Kernel:
    """Consistent annealed sampling (arXiv 2009.05475): L steps, the last one without noise.

    x <- x + eta sigma_k^2 s(x, sigma_k) + sigma_{k+1} beta_k z. Around a data point, where the
    score is (point - x) / sigma_k^2, a state of std sigma_k goes to std sigma_{k+1} exactly.
    Annealed Langevin dynamics leaves more noise than its level has.

    Args:
        sigmas: the ladder in the units of x, largest first, shape (L,).
        epsilon: Algorithm 1's step size at the last level; the paper's epsilon, which is the
            drift, is half of it.
        final_denoise: see `Kernel`.

    Raises:
        ValueError: epsilon outside the range of `consistent_noise_scales`.
    """
    eta = epsilon / (2 * float(sigmas[-1]) ** 2)
    scales, stds = consistent_noise_scales(sigmas, epsilon).tolist(), sigmas.tolist()

    def step(state: State, score: Tensor, level: int, noise: NoiseFn) -> State:
        x = state.x.add(score, alpha=eta * stds[level] ** 2)
        if level < len(scales) - 1:
            x = x.add(noise(x), alpha=scales[level])
        return State(x)

    return Kernel(sigmas, 1, step, final_denoise=final_denoise)

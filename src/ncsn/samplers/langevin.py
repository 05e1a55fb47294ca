"""Langevin dynamics and annealed Langevin dynamics (Song & Ermon 2019, Eq. 4 and Algorithm 1).

Everywhere `alpha` is the step of the paper: drift alpha/2, noise sqrt(alpha). The form x + eps *
score + sqrt(2 eps) z is the same chain with eps = alpha/2. The other samplers stand beside this
file; training imports this one alone, for its previews.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

ScoreFn = Callable[[Tensor, Tensor], Tensor]
NoiseFn = Callable[[Tensor], Tensor]
OnLevel = Callable[[int, Tensor], None]


def langevin_step(x: Tensor, score: Tensor, alpha: float, z: Tensor) -> Tensor:
    """One Langevin update x + alpha/2 score + sqrt(alpha) z (Song & Ermon 2019, Eq. 4).

    On N(0, s^2) with fixed alpha the chain settles at variance s^2 / (1 - alpha / (4 s^2)).

    Args:
        x: state, shape (B, ...); not modified.
        score: score at x, same shape.
        alpha: step size, in squared units of x.
        z: standard normal noise, same shape.

    Returns:
        The next state, same shape.
    """
    return x.add(score, alpha=alpha / 2).add_(z, alpha=math.sqrt(alpha))


def annealed_alphas(sigmas: Tensor, epsilon: float) -> Tensor:
    """Step size of every level, alpha_i = epsilon sigma_i^2 / sigma_L^2 (Algorithm 1, line 3).

    Args:
        sigmas: the ladder, largest first, shape (L,).
        epsilon: step size at the last level, in squared units of x.

    Returns:
        Steps, shape (L,), in the dtype of `sigmas`.
    """
    return epsilon * (sigmas / sigmas[-1]) ** 2


def annealed_langevin(
    score_fn: ScoreFn,
    x: Tensor,
    sigmas: Tensor,
    *,
    epsilon: float,
    steps_per_level: int,
    noise: NoiseFn,
    final_denoise: bool = False,
    on_level: OnLevel | None = None,
) -> Tensor:
    """Annealed Langevin dynamics (Song & Ermon 2019, Algorithm 1).

    The result includes the last step; the released code returns the state before it. Nothing is
    clamped.

    Args:
        score_fn: maps (x, level) to scores; level is int64, shape (B,).
        x: start, shape (B, ...); not modified.
        sigmas: the ladder in the units of x, largest first, shape (L,).
        epsilon: Algorithm 1's step size at the last level (2 * `step_lr` of the released code).
        steps_per_level: the paper's T.
        noise: returns standard normal noise of the shape of its argument; called once a step.
        final_denoise: whether to end with x + sigma_L^2 s(x, sigma_L), the mean of the image.
        on_level: called with (level, x) after each level; it must not modify x.

    Returns:
        Samples, shape (B, ...).
    """
    for index, alpha in enumerate(annealed_alphas(sigmas, epsilon).tolist()):
        level = torch.full((len(x),), index, dtype=torch.int64, device=x.device)
        for _ in range(steps_per_level):
            x = langevin_step(x, score_fn(x, level), alpha, noise(x))
        if on_level is not None:
            on_level(index, x)
    if final_denoise:
        x = x + float(sigmas[-1]) ** 2 * score_fn(x, level)
    return x

"""Langevin dynamics and annealed Langevin dynamics (Song & Ermon 2019, Eq. 4 and Algorithm 1).

Everywhere `alpha` is the step of the paper: drift alpha/2, noise sqrt(alpha). The form x + eps *
score + sqrt(2 eps) z is the same chain with eps = alpha/2. The loop is `annealing.anneal`.
"""

import math

import torch
from torch import Tensor

from ncsn.maths.samplers.annealing import Kernel, State
from ncsn.maths.types import NoiseFn, ScoreFn


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
    sigmas: Tensor, *, epsilon: float, steps_per_level: int, final_denoise: bool = False
) -> Kernel:
    """Annealed Langevin dynamics (Song & Ermon 2019, Algorithm 1).

    The result includes the last step; the released code returns the state before it. A ladder of
    one level is Langevin dynamics with the fixed step alpha = epsilon.

    Args:
        sigmas: the ladder in the units of x, largest first, shape (L,).
        epsilon: Algorithm 1's step size at the last level (2 * `step_lr` of the released code).
        steps_per_level: the paper's T; each step draws noise once.
        final_denoise: see `Kernel`.
    """
    alphas = annealed_alphas(sigmas, epsilon).tolist()

    def step(state: State, score: Tensor, level: int, noise: NoiseFn) -> State:
        return State(langevin_step(state.x, score, alphas[level], noise(state.x)))

    return Kernel(sigmas, steps_per_level, step, final_denoise=final_denoise)


def at_level(score_fn: ScoreFn, level: int) -> ScoreFn:
    """Returns the score at one level of a ladder, whatever level is asked for.

    With a chain on that level alone it makes the baseline without annealing (Song & Ermon 2019,
    Fig. 7). The paper's baseline also trains a network on this one level.
    """

    def score_at_level(x: Tensor, other: Tensor) -> Tensor:
        return score_fn(x, torch.full_like(other, level))

    return score_at_level

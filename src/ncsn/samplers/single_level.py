"""Langevin dynamics at one noise level: the baseline without annealing.

The baseline of Song & Ermon 2019, Fig. 7. It stands beside `langevin` and not in it, because
training depends on that file.
"""

import torch
from torch import Tensor

from ncsn.samplers.langevin import NoiseFn, OnLevel, ScoreFn, annealed_langevin


def single_level_langevin(
    score_fn: ScoreFn,
    x: Tensor,
    sigmas: Tensor,
    *,
    epsilon: float,
    num_steps: int,
    noise: NoiseFn,
    final_denoise: bool = False,
    on_level: OnLevel | None = None,
) -> Tensor:
    """Langevin dynamics at the smallest level of a ladder alone, with that level's step.

    Fixed step alpha_L = epsilon. With num_steps = L T it costs as many evaluations as Algorithm 1
    on the whole ladder with T steps a level. The paper's baseline also trains a network on this
    one level; here the score of the whole ladder is asked for its last level.

    Args:
        score_fn: maps (x, level) to scores; level is int64, shape (B,), always L - 1.
        x: start, shape (B, ...); not modified.
        sigmas: the ladder in the units of x, largest first, shape (L,).
        epsilon: the step size alpha, in squared units of x.
        num_steps: Langevin steps.
        noise: returns standard normal noise of the shape of its argument; called once a step.
        final_denoise: whether to end with x + sigma_L^2 s(x, sigma_L).
        on_level: called with (0, x) after the last step; it must not modify x.

    Returns:
        Samples, shape (B, ...).
    """
    last = len(sigmas) - 1

    def at_last_level(state: Tensor, level: Tensor) -> Tensor:
        return score_fn(state, torch.full_like(level, last))

    return annealed_langevin(
        at_last_level,
        x,
        sigmas[last:],
        epsilon=epsilon,
        steps_per_level=num_steps,
        noise=noise,
        final_denoise=final_denoise,
        on_level=on_level,
    )

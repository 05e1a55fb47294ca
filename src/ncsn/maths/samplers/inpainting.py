"""Inpainting with annealed Langevin dynamics (Song & Ermon 2019, Algorithm 2)."""

import torch
from torch import Tensor

from ncsn.maths.samplers.annealing import Kernel, State
from ncsn.maths.samplers.langevin import annealed_alphas, langevin_step
from ncsn.maths.types import NoiseFn


def inpainting(
    known: Tensor,
    mask: Tensor,
    sigmas: Tensor,
    *,
    epsilon: float,
    steps_per_level: int,
    final_denoise: bool = False,
) -> Kernel:
    """Completes images whose pixels under `mask` are known (Song & Ermon 2019, Algorithm 2).

    Each level draws one noisy copy y of the known image, with the noise of that level; the known
    pixels are overwritten with y before the level and after each of its steps. At the end they are
    the known values themselves.

    Args:
        known: images whose masked pixels count, shape (B, C, H, W).
        mask: True where a pixel is known, bool, broadcastable to the shape of `known`.
        sigmas: the ladder in the units of x, largest first, shape (L,).
        epsilon: Algorithm 1's step size at the last level.
        steps_per_level: the paper's T; noise is drawn T + 1 times per level.
        final_denoise: see `Kernel`; it moves the unknown pixels. Algorithm 2 ends without.
    """
    scales, alphas = sigmas.tolist(), annealed_alphas(sigmas, epsilon).tolist()

    def init(x: Tensor, level: int, noise: NoiseFn) -> State:
        y = known + scales[level] * noise(known)
        return State(torch.where(mask, y, x), y)

    def step(state: State, score: Tensor, level: int, noise: NoiseFn) -> State:
        x, y = state
        assert y is not None  # `init` put it there
        return State(torch.where(mask, y, langevin_step(x, score, alphas[level], noise(x))), y)

    def end(x: Tensor) -> Tensor:
        return torch.where(mask, known, x)

    return Kernel(sigmas, steps_per_level, step, init, end, final_denoise)

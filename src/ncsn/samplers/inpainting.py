"""Inpainting with annealed Langevin dynamics (Song & Ermon 2019, Algorithm 2)."""

import torch
from torch import Tensor

from ncsn.samplers.langevin import NoiseFn, OnLevel, ScoreFn, annealed_alphas, langevin_step


def inpaint(
    score_fn: ScoreFn,
    x: Tensor,
    known: Tensor,
    mask: Tensor,
    sigmas: Tensor,
    *,
    epsilon: float,
    steps_per_level: int,
    noise: NoiseFn,
    final_denoise: bool = False,
    on_level: OnLevel | None = None,
) -> Tensor:
    """Completes images whose pixels under `mask` are known (Song & Ermon 2019, Algorithm 2).

    Each level draws one noisy copy y of the known image, with the noise of that level; the known
    pixels are overwritten with y before the level and after each of its steps. At the end they are
    the known values themselves.

    Args:
        score_fn: maps (x, level) to scores; level is int64, shape (B,).
        x: start, shape (B, C, H, W); not modified.
        known: images whose masked pixels count, same shape.
        mask: True where a pixel is known, bool, broadcastable to the shape of x.
        sigmas: the ladder in the units of x, largest first, shape (L,).
        epsilon: Algorithm 1's step size at the last level.
        steps_per_level: the paper's T.
        noise: returns standard normal noise of the shape of its argument; T + 1 times a level.
        final_denoise: whether the unknown pixels end with x + sigma_L^2 s(x, sigma_L), as those of
            `annealed_langevin` do; Algorithm 2 ends without.
        on_level: called with (level, x) after each level; it must not modify x.

    Returns:
        Completed images, shape (B, C, H, W).
    """
    alphas = annealed_alphas(sigmas, epsilon).tolist()
    for index, (sigma, alpha) in enumerate(zip(sigmas.tolist(), alphas, strict=True)):
        level = torch.full((len(x),), index, dtype=torch.int64, device=x.device)
        y = known + sigma * noise(known)
        x = torch.where(mask, y, x)
        for _ in range(steps_per_level):
            x = torch.where(mask, y, langevin_step(x, score_fn(x, level), alpha, noise(x)))
        if on_level is not None:
            on_level(index, x)
    if final_denoise:
        x = x + float(sigmas[-1]) ** 2 * score_fn(x, level)
    return torch.where(mask, known, x)

"""Score matching objectives: one value a sample; the caller averages.

`score_fn(x, level)` is any callable, network or oracle. Random numbers are arguments.
"""

from collections.abc import Callable

from torch import Tensor

ScoreFn = Callable[[Tensor, Tensor], Tensor]


def denoising_score_matching(
    score_fn: ScoreFn,
    x: Tensor,
    level: Tensor,
    z: Tensor,
    sigmas: Tensor,
    weight_power: float = 2.0,
) -> Tensor:
    """Per-sample denoising score matching loss of a level (Song & Ermon 2019, Eq. 5 and 6).

    1/2 lambda(sigma) ||s(x + sigma z, sigma) + z / sigma||^2, summed over data axes, with
    lambda(sigma) = sigma ** weight_power. At the paper's power of 2 a network that returns zero
    scores D/2 at every level.

    Args:
        score_fn: maps (x_noisy, level) to scores of the shape of x.
        x: clean data, shape (B, ...).
        level: index into `sigmas` for each sample, int64, shape (B,).
        z: standard normal noise of the shape of x.
        sigmas: the ladder in the units of x, shape (L,).
        weight_power: exponent of sigma in the level's weight.

    Returns:
        Losses, shape (B,).
    """
    sigma = sigmas.to(x.dtype)[level].view(-1, *[1] * (x.dim() - 1))
    score = score_fn(x + sigma * z, level)
    per_level = 0.5 * (sigma * score + z).flatten(1).square().sum(1)
    return per_level * sigma.flatten() ** (weight_power - 2)

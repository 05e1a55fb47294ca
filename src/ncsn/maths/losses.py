"""Score matching objectives: one value per sample; the caller averages.

Denoising score matching takes `score_fn(x, level)`, the others `score_fn(x)`: one density, no
level (`lambda x: score_net(x, level)` fixes one). Random numbers are arguments. None of the
objectives needs the normalising constant of a density.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ncsn.maths.types import ScoreFn

FieldFn = Callable[[Tensor], Tensor]


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
        level: index into `sigmas` for each sample, int64, shape (B,); or the sigma of each sample
            itself, in the dtype of x.
        z: standard normal noise of the shape of x.
        sigmas: the ladder in the units of x, shape (L,).
        weight_power: exponent of sigma in the level's weight.

    Returns:
        Losses, shape (B,).
    """
    sigma = level if level.is_floating_point() else sigmas.to(x.dtype)[level]
    sigma = sigma.view(-1, *[1] * (x.dim() - 1))
    score = score_fn(x + sigma * z, level)
    per_level = 0.5 * (sigma * score + z).flatten(1).square().sum(1)
    return per_level * sigma.flatten() ** (weight_power - 2)


def implicit_score_matching(score_fn: FieldFn, x: Tensor, weight: Tensor | float = 1.0) -> Tensor:
    """Per-sample implicit score matching loss with the exact trace (Hyvarinen 2005).

    tr(grad_x s(x)) + 1/2 ||s(x)||^2 (Song & Ermon 2019, Eq. 1). Its mean over the data is the
    Fisher divergence less 1/2 E||grad log p||^2, which no parameter moves. The trace takes D
    backward passes.

    Args:
        score_fn: maps x to scores of its shape, each sample by itself.
        x: data, shape (B, ...).
        weight: factor of each sample, a number or shape (B,).

    Returns:
        Losses, shape (B,); differentiable in the parameters of `score_fn` where autograd is on.
    """
    x, score = _scores_with_graph(score_fn, x)
    basis = torch.eye(x[0].numel(), dtype=x.dtype, device=x.device)
    trace = sum(_curvature(score, x, v.view_as(x[:1]).expand_as(x)) for v in basis)
    return _detached_in_eval(weight * (trace + _half_square(score)))


def sliced_score_matching(
    score_fn: FieldFn, x: Tensor, projections: Tensor, weight: Tensor | float = 1.0
) -> Tensor:
    """Per-sample sliced score matching loss (Song et al. 2019, arXiv 1905.07088, Eq. 7).

    The mean over projections v of v^T grad_x s(x) v + 1/2 (v^T s(x))^2. With E[v v^T] = I its
    expectation over v is the implicit score matching loss.

    Args:
        score_fn: maps x to scores of its shape, each sample by itself.
        x: data, shape (B, ...).
        projections: directions v, shape (P, B, ...), P for each sample.
        weight: factor of each sample, a number or shape (B,).

    Returns:
        Losses, shape (B,); differentiable in the parameters of `score_fn` where autograd is on.
    """
    x, score = _scores_with_graph(score_fn, x)
    terms = [_curvature(score, x, v) + 0.5 * _dot(v, score).square() for v in projections]
    return _detached_in_eval(weight * torch.stack(terms).mean(0))


def sliced_score_matching_vr(
    score_fn: FieldFn, x: Tensor, projections: Tensor, weight: Tensor | float = 1.0
) -> Tensor:
    """Sliced score matching with its second term integrated over v (Song et al. 2019, Eq. 8).

    The mean over projections v of v^T grad_x s(x) v, plus 1/2 ||s(x)||^2, which equals
    `sliced_score_matching` in expectation. It is Eq. 3 of Song & Ermon 2019.

    Args:
        score_fn: maps x to scores of its shape, each sample by itself.
        x: data, shape (B, ...).
        projections: directions v with E[v v^T] = I, shape (P, B, ...), P for each sample.
        weight: factor of each sample, a number or shape (B,).

    Returns:
        Losses, shape (B,); differentiable in the parameters of `score_fn` where autograd is on.
    """
    x, score = _scores_with_graph(score_fn, x)
    trace = torch.stack([_curvature(score, x, v) for v in projections]).mean(0)
    return _detached_in_eval(weight * (trace + _half_square(score)))


def gaussian_projections(x: Tensor, num_projections: int, generator: torch.Generator) -> Tensor:
    """Standard normal directions for the sliced objectives.

    Args:
        x: data whose shape, dtype and device the directions take, shape (B, ...).
        num_projections: directions for each sample, P.
        generator: draws one number for each coordinate of each direction; on x's device.

    Returns:
        Directions, shape (P, B, ...).
    """
    shape = (num_projections, *x.shape)
    return torch.randn(shape, generator=generator, dtype=x.dtype, device=x.device)


def fisher_divergence(
    score_fn: FieldFn, true_score_fn: FieldFn, x: Tensor, weight: Tensor | float = 1.0
) -> Tensor:
    """Per-sample integrand of the Fisher divergence, 1/2 ||s(x) - grad log p(x)||^2.

    Its mean over x drawn from p is the divergence. With the factor one half it differs from the
    means of the objectives above by a constant alone.

    Args:
        score_fn: maps x to scores of its shape.
        true_score_fn: maps x to grad log p(x).
        x: points, shape (B, ...).
        weight: factor of each sample, a number or shape (B,).

    Returns:
        Values, shape (B,).
    """
    return weight * _half_square(score_fn(x) - true_score_fn(x))


def _scores_with_graph(score_fn: FieldFn, x: Tensor) -> tuple[Tensor, Tensor]:
    """A leaf copy of x and its scores, with the graph between them also under no_grad."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        return leaf, score_fn(leaf)


def _curvature(score: Tensor, x: Tensor, v: Tensor) -> Tensor:
    """v^T grad_x s v of each sample, shape (B,)."""
    (product,) = torch.autograd.grad(
        score, x, v, create_graph=torch.is_grad_enabled(), retain_graph=True
    )
    return _dot(product, v)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(1)


def _half_square(score: Tensor) -> Tensor:
    return 0.5 * score.flatten(1).square().sum(1)


def _detached_in_eval(loss: Tensor) -> Tensor:
    """Lets go of the graph that the derivative with respect to x needed under no_grad."""
    return loss if torch.is_grad_enabled() else loss.detach()

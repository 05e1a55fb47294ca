"""What each objective costs as the dimension grows: exact trace, slices of it, denoising.

The data are N(0, I) in D dimensions. Half of their score is right from the start, and a network
at its first weights must learn the rest. Two costs decide: the work of one data point's gradient,
in which the exact trace takes D backward passes, and the points that average the noise away.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ncsn.base.rng import generator
from ncsn.maths.losses import (
    FieldFn,
    denoising_score_matching,
    fisher_divergence,
    gaussian_projections,
    implicit_score_matching,
    sliced_score_matching,
    sliced_score_matching_vr,
)
from ncsn.maths.nets.mlp import ScoreMLP

_NUM_SIGNAL = 64  # points in each of two mean gradients of a network
_NUM_PASSES = 2048  # backward passes for the gradients of the exact trace, in each dimension

Losses = Callable[[FieldFn, Tensor, torch.Generator], Tensor]


class Objective(NamedTuple):
    """One way to a score.

    Attributes:
        label: in words.
        losses: maps network, clean points (B, D) and generator to losses (B,).
        sigma: of the noise on the data that it learns the score of.
        exact: whether the work of a point grows with D passes.
    """

    label: str
    losses: Losses
    sigma: float = 0.0
    exact: bool = False


class ObjectivesStudy(NamedTuple):
    """Costs by objective, each of shape (K,) for K dimensions.

    Attributes:
        dims: D, shape (K,), int64.
        flops: matrix products in the gradient of one point's loss, in FLOPs.
        points: points whose mean gradient has noise as long as its signal:
            tr Cov(g) / ||E g||^2, g the gradient of one point's loss in all parameters; both
            are means over networks at their first weights.
    """

    dims: Tensor
    flops: dict[str, Tensor]
    points: dict[str, Tensor]


def _sliced(net: FieldFn, x: Tensor, draws: torch.Generator) -> Tensor:
    return sliced_score_matching(net, x, gaussian_projections(x, 1, draws))


def _sliced_vr(net: FieldFn, x: Tensor, draws: torch.Generator, num: int = 1) -> Tensor:
    return sliced_score_matching_vr(net, x, gaussian_projections(x, num, draws))


def _implicit(net: FieldFn, x: Tensor, draws: torch.Generator) -> Tensor:
    return implicit_score_matching(net, x)


def _denoising(sigma: float) -> Losses:
    def losses(net: FieldFn, x: Tensor, draws: torch.Generator) -> Tensor:
        level = torch.full((len(x),), sigma, dtype=x.dtype)
        z = torch.randn(x.shape, generator=draws, dtype=x.dtype)
        return denoising_score_matching(lambda x, _: net(x), x, level, z, level)

    return losses


OBJECTIVES = {
    "implicit": Objective("exact trace", _implicit, exact=True),
    "sliced": Objective("sliced (Eq. 7)", _sliced),
    "sliced_vr": Objective("sliced, variance reduced (Eq. 8)", _sliced_vr),
    "denoising_large": Objective("denoising, sigma 1", _denoising(1.0), 1.0),
    "denoising_small": Objective("denoising, sigma 0.1", _denoising(0.1), 0.1),
}


class HalfLearned(nn.Module):
    """s(x) = half of the score of N(0, (1 + sigma^2) I), plus a network at its first weights."""

    def __init__(self, dim: int, sigma: float, draws: torch.Generator):
        super().__init__()
        self.rest = ScoreMLP(dim, draws)
        self.variance = 1 + sigma**2

    def forward(self, x: Tensor) -> Tensor:
        """Scores, shape (B, D), for x (B, D)."""
        rest: Tensor = self.rest(x)
        return rest - 0.5 * x / self.variance


def objectives_study(*, dims: Sequence[int], num_draws: int, seed: int) -> ObjectivesStudy:
    """Counts the FLOPs and measures the noise of every objective in every dimension.

    Args:
        dims: D.
        num_draws: networks, and gradients of a single point with each objective; with the exact
            trace fewer where D is large, at least 2.
        seed: of the study; objective and dimension name the generators.

    Returns:
        FLOPs and points.
    """
    costs = [_costs(dim, num_draws, seed) for dim in dims]
    flops, points = (
        {name: torch.tensor([cost[name][kind] for cost in costs]) for name in OBJECTIVES}
        for kind in (0, 1)
    )
    return ObjectivesStudy(torch.tensor(dims), flops, points)


def _costs(dim: int, num_draws: int, seed: int) -> dict[str, tuple[int, float]]:
    """FLOPs and points of each objective in one dimension."""
    costs: dict[str, tuple[int, float]] = {}
    signals: dict[float, float] = {}
    nets: dict[float, list[nn.Module]] = {}
    for name, objective in OBJECTIVES.items():
        sigma = objective.sigma
        if sigma not in nets:
            draws = generator(seed, "toy objectives", dim)
            nets[sigma] = [HalfLearned(dim, sigma, draws) for _ in range(num_draws)]
            signals[sigma] = signal(sigma, nets[sigma], dim, draws)
        few = max(2, _NUM_PASSES // dim) if objective.exact else num_draws
        noisy = squared_gradient(objective, nets[sigma][:few], dim, seed)
        flops = gradient_flops(objective, nets[sigma][0], dim)
        costs[name] = (flops, noisy / signals[sigma] - 1)
    return costs


def squared_gradient(
    objective: Objective, nets: Sequence[nn.Module], dim: int, seed: int
) -> float:
    """Mean of ||g||^2 over networks, for the gradient g of one point's loss in all parameters.

    Network number k gets the same point from all objectives, and draws of its own.
    """
    squares = []
    for number, net in enumerate(nets):
        draws = generator(seed, "toy objectives", dim, number)
        x = _points(1, dim, draws)
        squares.append(float(_gradient(objective.losses(net, x, draws), net).square().sum()))
    return sum(squares) / len(squares)


def signal(sigma: float, nets: Sequence[nn.Module], dim: int, draws: torch.Generator) -> float:
    """Mean of ||E g||^2 over networks, E over points and noise: two independent means' product.

    E g is that of the Fisher divergence, whose gradient has the same mean and no noise of
    projections: here the true score is known.
    """
    variance, products = 1 + sigma**2, []
    for net in nets:
        x = variance**0.5 * _points(2 * _NUM_SIGNAL, dim, draws)
        one, two = (
            _gradient(fisher_divergence(net, lambda x: -x / variance, half), net)
            for half in x.chunk(2)
        )
        products.append(float(one @ two))
    # Denoising weighs its loss with sigma^2.
    return sum(products) / len(products) * (sigma**4 if sigma else 1.0)


def gradient_flops(objective: Objective, net: nn.Module, dim: int) -> int:
    """FLOPs of the matrix products in the gradient of one point's loss.

    The exact trace does the work of D projections, all alike: the first two are counted.
    """
    if not objective.exact:
        return counted_flops(objective.losses, net, dim)
    one, two = (counted_flops(_projected(num), net, dim) for num in (1, 2))
    return one + (dim - 1) * (two - one)


def _projected(num: int) -> Losses:
    return lambda net, x, draws: _sliced_vr(net, x, draws, num)


def counted_flops(losses: Losses, net: nn.Module, dim: int) -> int:
    """FLOPs of the matrix products in the gradient of one point's loss, by doing it."""
    with FlopCounterMode(display=False) as counter:
        # The counter cannot follow a leaf into a module where its derivative is asked for.
        _gradient(losses(lambda x: net(x.clone()), torch.zeros(1, dim), generator(0)), net)
    return counter.get_total_flops()


def _points(num: int, dim: int, draws: torch.Generator) -> Tensor:
    return torch.randn((num, dim), generator=draws)


def _gradient(losses: Tensor, net: nn.Module) -> Tensor:
    """Gradient of the mean loss in all parameters, one vector."""
    parts = torch.autograd.grad(losses.mean(), list(net.parameters()), materialize_grads=True)
    return torch.cat([part.flatten() for part in parts])

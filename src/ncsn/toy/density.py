"""Where a learned score is right (Song & Ermon 2019, Fig. 2): where there are data.

Two networks learn the score of the two-mode mixture by sliced score matching, one that outputs the
score and one that outputs an energy, and are held against the true score on a square.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ncsn.base.rng import generator
from ncsn.maths.losses import (
    FieldFn,
    fisher_divergence,
    gaussian_projections,
    sliced_score_matching_vr,
)
from ncsn.maths.mixtures import GaussianMixture, two_mode_mixture
from ncsn.maths.nets.mlp import EnergyScore, ScoreMLP
from ncsn.toy.fitting import fitted_losses

NETWORKS = {"direct": ScoreMLP, "energy": EnergyScore}
HALF_WIDTH = 8.0  # the paper's square is [-8, 8]^2
GRID = 100
DENSE, THIN = 1e-2, 1e-6  # densities that bound the two regions of the summary
_NUM_TEST = 5000
_CHECK_EVERY = 250


class LearnedField(NamedTuple):
    """What one network learned.

    Attributes:
        net: the network, whose parameters need no gradient.
        score: on the grid, shape (GRID * GRID, 2).
        error: ||s - grad log p|| on the grid, shape (GRID * GRID,).
        curl: root mean square over the test points of d s_2 / d x_1 - d s_1 / d x_2.
        steps: steps at which the Fisher divergence was taken, shape (S,).
        fisher: Fisher divergence on test points at those steps, shape (S,).
    """

    net: nn.Module
    score: Tensor
    error: Tensor
    curl: float
    steps: Tensor
    fisher: Tensor


class DensityStudy(NamedTuple):
    """The truth and what each network learned, by name; the grid runs x_1 slowly, x_2 fast."""

    grid: Tensor
    density: Tensor
    score: Tensor
    learned: dict[str, LearnedField]


def density_study(
    *, num_steps: int, batch_size: int, learning_rate: float, seed: int
) -> DensityStudy:
    """Trains both networks on fresh samples of the paper's mixture, one projection per sample."""
    mixture = two_mode_mixture()
    grid = square_grid()
    learned = {}
    for name, network in NETWORKS.items():
        draws = generator(seed, "toy density", name)
        net = network(2, draws)
        learned[name] = _learned(net, mixture, grid, draws, num_steps, batch_size, learning_rate)
    return DensityStudy(grid, mixture.log_prob(grid).exp(), mixture.score(grid), learned)


def square_grid(side: int = GRID) -> Tensor:
    """Points of a side x side grid over the square, shape (side * side, 2)."""
    axis = torch.linspace(-HALF_WIDTH, HALF_WIDTH, side)
    return torch.cartesian_prod(axis, axis)


def root_mean_square(values: Tensor) -> float:
    """sqrt(mean(values^2))."""
    return float(values.square().mean().sqrt())


def field_curl(score_fn: FieldFn, x: Tensor) -> Tensor:
    """d s_2 / d x_1 - d s_1 / d x_2 of a planar field, shape (B,), for x (B, 2)."""
    x = x.detach().requires_grad_()
    first, second = score_fn(x).unbind(1)
    (down,) = torch.autograd.grad(first.sum(), x, retain_graph=True)
    (across,) = torch.autograd.grad(second.sum(), x)
    return across[:, 0] - down[:, 1]


def _learned(
    net: nn.Module,
    mixture: GaussianMixture,
    grid: Tensor,
    draws: torch.Generator,
    num_steps: int,
    batch_size: int,
    learning_rate: float,
) -> LearnedField:
    test = mixture.sample(_NUM_TEST, draws)
    steps: list[int] = []
    fisher: list[float] = []

    def loss_at(step: int) -> Tensor:
        x = mixture.sample(batch_size, draws)
        return sliced_score_matching_vr(net, x, gaussian_projections(x, 1, draws)).mean()

    def check(step: int) -> None:
        if step % _CHECK_EVERY == 0 or step == num_steps:
            with torch.no_grad():
                steps.append(step)
                fisher.append(float(fisher_divergence(net, mixture.score, test).mean()))

    fitted_losses(
        net,
        loss_at,
        num_steps=num_steps,
        learning_rate=learning_rate,
        decayed=True,
        after_step=check,
    )
    curl = root_mean_square(field_curl(net, test))
    with torch.no_grad():
        score = net(grid)
    error = (score - mixture.score(grid)).norm(dim=1)
    return LearnedField(
        net.requires_grad_(False), score, error, curl, torch.tensor(steps), torch.tensor(fisher)
    )

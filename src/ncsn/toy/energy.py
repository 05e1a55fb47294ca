"""Why the normalising constant is out of the way: scores do not see it, likelihoods need it.

The energy f of the density study, exp(-f) / Z, and the same network with a constant added to its
last bias. In two dimensions Z is a sum over a grid; in D dimensions the grid has side^D points.
"""

import copy
from typing import NamedTuple

import torch
from torch import Tensor

from ncsn.base.rng import generator
from ncsn.maths.mixtures import two_mode_mixture
from ncsn.maths.nets.mlp import EnergyScore
from ncsn.toy.density import GRID, HALF_WIDTH, square_grid

CONSTANT = 2.0
_NUM_TEST = 5000


class Energy(NamedTuple):
    """What one energy says.

    Attributes:
        grid: f on the grid, shape (GRID * GRID,).
        score: -grad f on the grid, shape (GRID * GRID, 2).
        along: f on the diagonal through both modes, shape (GRID,).
        slope: the component of -grad f along the diagonal, shape (GRID,).
        log_z: log of the integral of exp(-f) over the square.
        unnormalised: mean of -f over test points, shape ().
    """

    grid: Tensor
    score: Tensor
    along: Tensor
    slope: Tensor
    log_z: float
    unnormalised: float


class EnergyStudy(NamedTuple):
    """An energy, the same plus `CONSTANT`, and the truth.

    Attributes:
        energies: f and f + c.
        log_density: of the mixture on the grid, shape (GRID * GRID,).
        along: of the mixture on the diagonal, shape (GRID,).
        distance: place on the diagonal, 0 between the modes, shape (GRID,).
        log_likelihood: mean of the mixture's own log density over the test points.
        upper_share: mass of exp(-f) / Z in the half of the square around (5, 5).
    """

    energies: tuple[Energy, Energy]
    log_density: Tensor
    along: Tensor
    distance: Tensor
    log_likelihood: float
    upper_share: float


def energy_study(net: EnergyScore, seed: int) -> EnergyStudy:
    """Compares a trained energy with itself plus a constant; trains nothing."""
    mixture = two_mode_mixture()
    test = mixture.sample(_NUM_TEST, generator(seed, "toy energy"))
    grid, axis = square_grid(), torch.linspace(-HALF_WIDTH, HALF_WIDTH, GRID)
    energies = (_energy(net, test), _energy(shifted(net, CONSTANT), test))
    density = (-energies[0].grid.double() - energies[0].log_z).exp()
    above = grid.sum(1) > 0
    return EnergyStudy(
        energies,
        mixture.log_prob(grid),
        mixture.log_prob(axis[:, None].expand(-1, 2)),
        2**0.5 * axis,
        float(mixture.log_prob(test).mean()),
        float(density[above].sum() / density.sum()),
    )


def shifted(net: EnergyScore, constant: float) -> EnergyScore:
    """A copy of the network whose energy is larger by `constant` everywhere."""
    other = copy.deepcopy(net)
    with torch.no_grad():
        list(other.layers.parameters())[-1].add_(constant)  # the last bias
    return other


def log_normaliser(energy: Tensor, width: float) -> float:
    """log of the integral of exp(-f) over a square, by the trapezoidal rule.

    Args:
        energy: f on a grid of side x side points, edges included, shape (side * side,).
        width: of the square, in the units of x.
    """
    side = round(len(energy) ** 0.5)
    values, step = energy.double().view(side, side), width / (side - 1)
    least = values.min()
    inner = torch.trapezoid((least - values).exp(), dx=step)
    return float(torch.trapezoid(inner, dx=step).log() - least)


def _energy(net: EnergyScore, test: Tensor) -> Energy:
    grid, axis = square_grid(), torch.linspace(-HALF_WIDTH, HALF_WIDTH, GRID)
    diagonal = axis[:, None].expand(-1, 2)
    with torch.no_grad():
        values = net.energy(grid)
        return Energy(
            values,
            net(grid),
            net.energy(diagonal),
            net(diagonal).sum(1) / 2**0.5,
            log_normaliser(values, 2 * HALF_WIDTH),
            -float(net.energy(test).double().mean()),
        )

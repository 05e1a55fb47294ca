"""A constant in the energy: scores and objectives do not see it, Z takes it up."""

import math

import pytest
import torch
from torch import Tensor

from ncsn.base.rng import generator
from ncsn.maths.losses import (
    gaussian_projections,
    implicit_score_matching,
    sliced_score_matching,
    sliced_score_matching_vr,
)
from ncsn.maths.mixtures import two_mode_mixture
from ncsn.maths.nets.mlp import EnergyScore
from ncsn.toy.density import HALF_WIDTH, square_grid
from ncsn.toy.energy import CONSTANT, energy_study, log_normaliser, shifted


class Truth(EnergyScore):
    """The energy -log p of the mixture, plus a bias."""

    def energy(self, x: Tensor) -> Tensor:
        return list(self.layers.parameters())[-1] - two_mode_mixture().log_prob(x)


@pytest.mark.parametrize("std", [0.5, 1.0])
@pytest.mark.parametrize("constant", [-300.0, 0.0, 300.0])
def test_z_of_a_gaussian_energy_is_known(std: float, constant: float) -> None:
    energy = square_grid().double().square().sum(1) / (2 * std**2) + constant
    exact = math.log(2 * math.pi * std**2) - constant
    assert log_normaliser(energy, 2 * HALF_WIDTH) == pytest.approx(exact, abs=1e-6)


def test_z_of_a_constant_energy_is_the_area_of_the_square() -> None:
    assert log_normaliser(torch.full((49,), 1.5), 3.0) == pytest.approx(math.log(9) - 1.5)


@pytest.mark.parametrize("constant", [CONSTANT, -7.0])
def test_a_constant_moves_the_energy_and_leaves_the_score_bit_by_bit(constant: float) -> None:
    net = EnergyScore(2, generator(0))
    other, x = shifted(net, constant), square_grid(20)
    torch.testing.assert_close(other.energy(x), net.energy(x) + constant)
    assert torch.equal(other(x), net(x))


@pytest.mark.parametrize(
    "objective", [implicit_score_matching, sliced_score_matching, sliced_score_matching_vr]
)
def test_no_objective_moves_the_constant(objective) -> None:
    net, draws = EnergyScore(2, generator(0)), generator(1)
    x = torch.randn((8, 2), generator=draws)
    more = () if objective is implicit_score_matching else (gaussian_projections(x, 1, draws),)
    *others, last = torch.autograd.grad(
        objective(net, x, *more).mean(), list(net.parameters()), materialize_grads=True
    )
    assert torch.equal(last, torch.zeros(1)) and all(part.abs().max() > 0 for part in others)


def test_likelihoods_need_z_and_then_do_not_see_the_constant() -> None:
    study = energy_study(Truth(2, generator(0)), seed=0)
    plain, moved = study.energies
    assert torch.equal(plain.score, moved.score) and torch.equal(plain.slope, moved.slope)
    assert plain.unnormalised - moved.unnormalised == pytest.approx(CONSTANT, abs=1e-5)
    with_z = [energy.unnormalised - energy.log_z for energy in study.energies]
    assert with_z[0] == pytest.approx(with_z[1], abs=1e-5)
    # The square leaves out .3 % of the mass.
    assert with_z[0] == pytest.approx(study.log_likelihood, abs=0.005)
    assert study.upper_share == pytest.approx(0.8, abs=0.001)
    # exp(-f) / Z is the density itself, at every point of the grid
    torch.testing.assert_close(-plain.grid - plain.log_z, study.log_density, rtol=0, atol=0.005)

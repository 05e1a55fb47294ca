"""The costs of the objectives: noise known in closed form, FLOPs by counting all of them."""

import pytest
import torch
from torch import Tensor, nn

from ncsn.base.rng import generator
from ncsn.maths.losses import (
    implicit_score_matching,
    sliced_score_matching,
    sliced_score_matching_vr,
)
from ncsn.toy.objectives import (
    OBJECTIVES,
    HalfLearned,
    counted_flops,
    gradient_flops,
    objectives_study,
    signal,
    squared_gradient,
)

SIGMAS = {"denoising_large": 1.0, "denoising_small": 0.1}


class Scales(nn.Module):
    """s(x) = -a x with a scale for each coordinate, half of the score of N(0, (1 + sigma^2) I)."""

    def __init__(self, dim: int, sigma: float):
        super().__init__()
        self.scales = nn.Parameter(torch.full((dim,), 0.5 / (1 + sigma**2)))

    def forward(self, x: Tensor) -> Tensor:
        return -self.scales * x


def theory(name: str, dim: int) -> float:
    """tr Cov(g) / ||E g||^2 of `Scales`, from the moments of normal numbers; a is 1/2.

    Coordinate d of g is a x_d^2 - 1 with the exact trace, a x_d^2 - v_d^2 with Eq. 8,
    a v_d x_d (v x) - v_d^2 with Eq. 7, and a y_d^2 - z_d y_d / sigma with denoising of y.
    """
    if name in SIGMAS:
        return 2 + 4 / SIGMAS[name] ** 2
    return {"implicit": 2, "sliced_vr": 10, "sliced": dim + 7}[name]


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("dim", [2, 32])
def test_the_noise_is_that_of_the_closed_form(name: str, dim: int) -> None:
    sigma = OBJECTIVES[name].sigma
    nets = [Scales(dim, sigma)] * (60 if dim == 2 else 12)
    exact = dim / 4 * (sigma**4 if sigma else 1)
    groups = torch.tensor(
        [squared_gradient(OBJECTIVES[name], nets, dim, seed) / exact - 1 for seed in range(20)]
    )
    error = float(groups.std()) / len(groups) ** 0.5
    assert error < 0.25 * theory(name, dim)  # else the next line says nothing
    assert abs(float(groups.mean()) - theory(name, dim)) < 4 * error


@pytest.mark.parametrize("name", ["implicit", *SIGMAS])
def test_the_signal_is_that_of_the_closed_form(name: str) -> None:
    sigma, dim = OBJECTIVES[name].sigma, 16
    found = signal(sigma, [Scales(dim, sigma)] * 400, dim, generator(1))
    assert found == pytest.approx(dim / 4 * (sigma**4 if sigma else 1), rel=0.015)


@pytest.mark.parametrize("objective", [sliced_score_matching, sliced_score_matching_vr])
def test_the_mean_gradient_over_all_axes_is_that_of_the_exact_trace(objective) -> None:
    # v = sqrt(D) e_i with i uniform has E[v v^T] = I, so that D projections are the expectation.
    dim, draws = 6, generator(2)
    net = HalfLearned(dim, 0.0, draws).double()
    x = torch.randn((3, dim), generator=draws, dtype=torch.float64)
    axes = dim**0.5 * torch.eye(dim, dtype=torch.float64)[:, None].expand(-1, 3, -1)
    parameters = list(net.parameters())
    sliced = torch.autograd.grad(objective(net, x, axes).mean(), parameters)
    exact = torch.autograd.grad(implicit_score_matching(net, x).mean(), parameters)
    for one, other in zip(sliced, exact, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("dim", [2, 5, 11])
def test_flops_of_the_exact_trace_are_those_that_are_done(dim: int) -> None:
    net, objective = HalfLearned(dim, 0.0, generator(3)), OBJECTIVES["implicit"]
    assert gradient_flops(objective, net, dim) == counted_flops(objective.losses, net, dim)


def test_the_exact_trace_costs_more_with_each_dimension_and_is_least_noisy() -> None:
    study = objectives_study(dims=(4, 64), num_draws=24, seed=0)
    exact, one = study.flops["implicit"], study.flops["sliced_vr"]
    assert float(exact[1] / one[1]) > 8 * float(exact[0] / one[0])
    assert (study.flops["sliced"] == one).all() and (study.flops["denoising_small"] < one).all()
    assert (study.points["implicit"] <= study.points["sliced_vr"]).all()
    assert study.points["sliced"][1] > 4 * study.points["sliced"][0]
    assert (study.points["denoising_small"] > 20 * study.points["denoising_large"]).all()

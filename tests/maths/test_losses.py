"""The objectives are different roads to one place: the true score is the minimiser of each."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from ncsn.maths.losses import (
    FieldFn,
    denoising_score_matching,
    fisher_divergence,
    gaussian_projections,
    implicit_score_matching,
    sliced_score_matching,
    sliced_score_matching_vr,
)
from ncsn.maths.mixtures import GaussianMixture
from ncsn.maths.nets.mlp import EnergyScore, LevelMLPs, ScoreMLP

MIXTURE = GaussianMixture(
    torch.tensor([0.3, 0.7], dtype=torch.float64),
    torch.tensor([[-1.0, 0.5], [1.5, -0.5]], dtype=torch.float64),
    std=0.8,
)
SIGMA = 0.6
SIGMAS = torch.tensor([SIGMA], dtype=torch.float64)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


class Family(nn.Module):
    """Scores of the mixture, bent by parameters that are zero at the truth."""

    def __init__(self, sigma: float = 0.0):
        super().__init__()
        self.sigma = sigma
        self.scale = nn.Parameter(torch.zeros((), dtype=torch.float64))
        self.shift = nn.Parameter(torch.zeros(2, dtype=torch.float64))
        self.linear = nn.Parameter(torch.zeros(2, 2, dtype=torch.float64))
        self.wave = nn.Parameter(torch.zeros(2, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        bend = self.shift + x @ self.linear + self.wave * torch.sin(x.flip(1))
        return (1 + self.scale) * MIXTURE.score(x, self.sigma) + bend


def ism(score: FieldFn, count: int) -> Tensor:
    return implicit_score_matching(score, MIXTURE.sample(count, generator(1)))


def ssm(score: FieldFn, count: int) -> Tensor:
    x = MIXTURE.sample(count, generator(1))
    return sliced_score_matching(score, x, normal(2, count, 2, seed=2))


def ssm_vr(score: FieldFn, count: int) -> Tensor:
    x = MIXTURE.sample(count, generator(1))
    return sliced_score_matching_vr(score, x, normal(2, count, 2, seed=2))


def dsm(score: FieldFn, count: int) -> Tensor:
    x = MIXTURE.sample(count, generator(1))
    level = torch.zeros(count, dtype=torch.int64)
    return denoising_score_matching(
        lambda x, _: score(x), x, level, normal(count, 2, seed=3), SIGMAS, weight_power=0.0
    )


OBJECTIVES = [(ism, 0.0), (ssm, 0.0), (ssm_vr, 0.0), (dsm, SIGMA)]


def per_sample_gradients(loss: Tensor, family: Family) -> Tensor:
    """Gradient of each group of 500 samples in all parameters, shape (groups, num_params)."""
    rows = []
    for part in loss.split(500):
        grads = torch.autograd.grad(part.mean(), list(family.parameters()), retain_graph=True)
        rows.append(torch.cat([g.flatten() for g in grads]))
    return torch.stack(rows)


@pytest.mark.parametrize(("objective", "sigma"), OBJECTIVES)
def test_the_gradient_vanishes_at_the_true_score(objective, sigma: float) -> None:
    family = Family(sigma)
    grads = per_sample_gradients(objective(family, 25_000), family)
    error = grads.std(0) / len(grads) ** 0.5
    assert (grads.mean(0).abs() < 4.5 * error + 1e-12).all()
    assert (error < 0.15).all()  # else the line above says nothing


@pytest.mark.parametrize(("objective", "sigma"), OBJECTIVES)
def test_every_bend_away_from_the_true_score_raises_the_loss(objective, sigma: float) -> None:
    count, family = 20_000, Family(sigma)
    with torch.no_grad():
        truth = objective(family, count)
        for parameter in family.parameters():
            for step in (-0.3, 0.3):
                parameter += step
                rise = objective(family, count) - truth
                parameter -= step
                assert rise.mean() > 3 * rise.std() / count**0.5


def bent(sigma: float = 0.0) -> Family:
    family = Family(sigma)
    with torch.no_grad():
        for index, parameter in enumerate(family.parameters()):
            parameter += 0.2 * normal(*parameter.shape, seed=10 + index)
    return family


def test_denoising_loss_less_its_constant_is_the_fisher_divergence() -> None:
    # The constant is the loss of the true score of q_sigma (Vincent 2011).
    count, family = 200_000, bent(SIGMA)
    with torch.no_grad():
        gap = dsm(family, count) - dsm(Family(SIGMA), count)
        x = MIXTURE.sample(count, generator(4)) + SIGMA * normal(count, 2, seed=5)
        fisher = fisher_divergence(family, lambda x: MIXTURE.score(x, SIGMA), x)
    error = (gap.var() / count + fisher.var() / count).sqrt()
    assert error < 0.02 * fisher.mean()
    assert abs(gap.mean() - fisher.mean()) < 4 * error


def test_implicit_loss_less_its_constant_is_the_fisher_divergence() -> None:
    # The constant is -1/2 E||grad log p||^2 (Hyvarinen 2005).
    count, family = 200_000, bent()
    x = MIXTURE.sample(count, generator(1))
    with torch.no_grad():
        fisher = fisher_divergence(family, MIXTURE.score, x)
        constant = -0.5 * MIXTURE.score(x).square().sum(1)
        gap = implicit_score_matching(family, x) - constant
    error = (gap - fisher).std() / count**0.5
    assert abs((gap - fisher).mean()) < 4 * error
    assert error < 0.05 * fisher.mean()


@pytest.mark.parametrize("sliced", [sliced_score_matching, sliced_score_matching_vr])
def test_sliced_gradients_agree_with_implicit_ones_in_expectation(sliced) -> None:
    family, x = bent(), MIXTURE.sample(500, generator(1)).repeat(40, 1)
    rows = sliced(family, x, normal(4, len(x), 2, seed=6))
    grads = per_sample_gradients(rows, family)  # 40 times the same points, fresh projections
    exact = per_sample_gradients(implicit_score_matching(family, x[:500]), family)[0]
    error = grads.std(0) / len(grads) ** 0.5
    assert ((grads.mean(0) - exact).abs() < 4.5 * error + 1e-12).all()


def test_orthogonal_directions_give_the_exact_trace() -> None:
    family, x = bent(), MIXTURE.sample(50, generator(1))
    basis = 2**0.5 * torch.eye(2, dtype=torch.float64)[:, None].expand(2, 50, 2)
    exact = implicit_score_matching(family, x)
    torch.testing.assert_close(sliced_score_matching_vr(family, x, basis), exact)
    torch.testing.assert_close(sliced_score_matching(family, x, basis), exact)


def test_the_variance_reduced_form_has_no_variance_where_the_jacobian_vanishes() -> None:
    # Plain: 1/2 (v^T s)^2 varies by 1/2 ||s||^4 over v. Elsewhere neither form always varies less:
    # a negative trace and the square move against each other.
    x, push = torch.zeros(100_000, 2, dtype=torch.float64), torch.tensor([1.0, -2.0])
    v = gaussian_projections(x, 1, generator(7))
    plain = sliced_score_matching(lambda x: push + 0 * x, x, v)
    reduced = sliced_score_matching_vr(lambda x: push + 0 * x, x, v)
    torch.testing.assert_close(reduced, torch.full_like(reduced, 2.5))
    assert abs(float(plain.detach().var()) / 12.5 - 1) < 0.05


def test_implicit_loss_equals_the_trace_of_the_jacobian_on_images() -> None:
    weight = normal(12, 12, seed=8)

    def score(x: Tensor) -> Tensor:
        return torch.tanh(x.flatten(1) @ weight).view_as(x)

    x = normal(3, 3, 2, 2)
    loss = implicit_score_matching(score, x)
    for index in range(3):
        jacobian = torch.autograd.functional.jacobian(score, x[[index]]).view(12, 12)
        exact = jacobian.trace() + 0.5 * score(x[[index]]).square().sum()
        torch.testing.assert_close(loss[index], exact)


@pytest.mark.parametrize("objective", [ism, ssm, ssm_vr, dsm])
def test_one_value_per_sample_and_no_graph_under_no_grad(objective) -> None:
    assert objective(bent(), 7).shape == (7,)
    assert objective(bent(), 7).requires_grad
    with torch.no_grad():
        assert not objective(bent(), 7).requires_grad
        torch.testing.assert_close(objective(bent(), 7), objective(bent(), 7))


def test_weights_multiply_each_sample() -> None:
    x, weight = normal(5, 2), torch.arange(5, dtype=torch.float64)
    v = gaussian_projections(x, 3, generator())
    for losses in (
        lambda w: implicit_score_matching(bent(), x, w),
        lambda w: sliced_score_matching(bent(), x, v, w),
        lambda w: sliced_score_matching_vr(bent(), x, v, w),
        lambda w: fisher_divergence(bent(), MIXTURE.score, x, w),
    ):
        torch.testing.assert_close(losses(weight), weight * losses(1.0))


def test_denoising_loss_of_zero_is_half_the_dimension_at_every_level() -> None:
    sigmas = torch.tensor([10.0, 1.0, 0.01])
    level = torch.arange(3).repeat_interleave(20_000)
    z = torch.randn(60_000, 4, generator=generator())
    loss = denoising_score_matching(lambda x, _: torch.zeros_like(x), z, level, z, sigmas)
    for part in loss.split(20_000):
        assert abs(float(part.mean()) - 2.0) < 0.05


def test_energy_scores_are_gradients_and_train() -> None:
    net = EnergyScore(2, generator()).double()
    x = normal(6, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(net.energy(x).sum(), x)
    torch.testing.assert_close(net(x), -gradient)
    with torch.no_grad():
        torch.testing.assert_close(net(x.detach()), -gradient)
    jacobian = torch.autograd.functional.jacobian(lambda y: net(y[None])[0], x[0].detach())
    torch.testing.assert_close(jacobian, jacobian.T)  # no curl
    v = gaussian_projections(x, 1, generator())
    sliced_score_matching_vr(net, x, v).mean().backward()
    *trained, constant = net.parameters()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)
    assert constant.grad is None  # the last bias is part of log Z


def test_an_additive_constant_of_the_energy_drops_out() -> None:
    net = EnergyScore(2, generator())
    x = torch.randn(6, 2, generator=generator())
    before = net(x)
    with torch.no_grad():
        net.layers[-1].bias += 100.0  # another Z
    torch.testing.assert_close(net(x), before)


def test_networks_have_their_sizes_and_depend_on_their_generator_alone() -> None:
    state = torch.get_rng_state()
    net, same, other = (ScoreMLP(2, generator(seed)) for seed in (0, 0, 1))
    assert sum(p.numel() for p in net.parameters()) == 17_154
    assert torch.equal(net[0].weight, same[0].weight)
    assert not torch.equal(net[0].weight, other[0].weight)
    assert torch.equal(torch.get_rng_state(), state)


def test_level_networks_run_side_by_side_as_they_do_alone() -> None:
    sigmas = torch.tensor([3.0, 1.0, 0.3])
    nets = LevelMLPs(2, sigmas, 4, generator())
    x = torch.randn(3 * 4 * 5, 2, generator=generator(1))
    together = nets(x)
    assert together.shape == x.shape
    for level, part in enumerate(x.chunk(3)):
        torch.testing.assert_close(nets(part, level), together.chunk(3)[level])
    first = ScoreMLP(2, generator(), hidden=(64, 64))
    with torch.no_grad():
        for linear, weight, bias in zip(list(first)[::2], nets.weights, nets.biases, strict=True):
            linear.weight.copy_(weight[5].T)  # level 1, copy 1
            linear.bias.copy_(bias[5, 0])
    torch.testing.assert_close(first(x[25:30]) / sigmas[1], together[25:30])


def test_projections_come_from_their_generator_and_are_like_the_data() -> None:
    x = torch.zeros(2, 3, dtype=torch.float64)
    first, again = (gaussian_projections(x, 4, generator(1)) for _ in range(2))
    assert torch.equal(first, again) and first.dtype == x.dtype


def test_objectives_leave_the_data_without_a_gradient_and_values_without_a_graph() -> None:
    x, net = torch.rand(3, 2, generator=generator()), nn.Linear(2, 2)
    v = gaussian_projections(x, 2, generator(1))
    objectives = (
        implicit_score_matching,
        partial(sliced_score_matching, projections=v),
        partial(sliced_score_matching_vr, projections=v),
    )
    for objective in objectives:
        with torch.no_grad():
            assert not objective(net, x).requires_grad
        assert objective(net, x).requires_grad and not x.requires_grad


def test_the_exact_trace_takes_a_single_point() -> None:
    x = normal(1, 4)
    expected = -4 + 0.5 * x.square().sum()
    assert implicit_score_matching(lambda x: -x, x).item() == pytest.approx(float(expected))


@pytest.mark.parametrize("shape", [(3, 4), (3, 1, 2, 2), (3, 2, 1, 1, 2)])
def test_data_axes_are_all_summed_and_the_dtype_is_that_of_the_data(
    shape: tuple[int, ...],
) -> None:
    x, z = (normal(*shape, seed=seed).float() for seed in (1, 2))
    level, sigmas = torch.tensor([0, 1, 1]), torch.tensor([1.0, 0.5], dtype=torch.float64)
    losses = denoising_score_matching(lambda x, _: torch.zeros_like(x), x, level, z, sigmas)
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses, 0.5 * z.flatten(1).square().sum(1))

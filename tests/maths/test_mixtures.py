"""Gaussian mixtures: density, score and samples agree with each other at any noise level."""

import math

import pytest
import torch

from ncsn.maths.mixtures import GaussianMixture, two_mode_mixture


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uneven() -> GaussianMixture:
    return GaussianMixture(
        torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64),
        torch.tensor([[-3.0, 0.0], [1.0, 2.0], [2.0, -2.0]], dtype=torch.float64),
        std=0.7,
    )


@pytest.mark.parametrize("sigma", [0.0, 0.3, 5.0])
def test_score_is_the_gradient_of_the_log_density(sigma: float) -> None:
    x = (4 * torch.randn(50, 2, generator=generator(), dtype=torch.float64)).requires_grad_()
    (gradient,) = torch.autograd.grad(uneven().log_prob(x, sigma).sum(), x)
    torch.testing.assert_close(uneven().score(x.detach(), sigma), gradient)


@pytest.mark.parametrize("sigma", [0.0, 1.5])
def test_density_integrates_to_one(sigma: float) -> None:
    axis = torch.linspace(-14, 14, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    mass = uneven().log_prob(grid, sigma).exp().sum() * (axis[1] - axis[0]) ** 2
    assert abs(float(mass) - 1) < 1e-6


def test_smoothing_adds_variances() -> None:
    x = torch.randn(20, 2, generator=generator(), dtype=torch.float64)
    wide = GaussianMixture(uneven().weights, uneven().means, math.hypot(0.7, 0.4))
    torch.testing.assert_close(uneven().log_prob(x, 0.4), wide.log_prob(x))
    torch.testing.assert_close(uneven().score(x, torch.full((20,), 0.4)), wide.score(x))


def test_each_sample_may_have_its_own_sigma() -> None:
    x = torch.randn(3, 2, generator=generator(), dtype=torch.float64)
    sigma = torch.tensor([0.0, 1.0, 20.0], dtype=torch.float64)
    alone = [uneven().score(x[[i]], float(sigma[i])) for i in range(3)]
    torch.testing.assert_close(uneven().score(x, sigma), torch.cat(alone))


def test_samples_have_the_moments_of_the_mixture() -> None:
    mixture, count = uneven(), 200_000
    x = mixture.sample(count, generator(1))
    mean = mixture.weights @ mixture.means
    gap = mixture.means - mean
    covariance = 0.49 * torch.eye(2).double() + gap.T @ (mixture.weights[:, None] * gap)
    torch.testing.assert_close(x.mean(0), mean, rtol=0, atol=0.02)
    torch.testing.assert_close(x.T.cov(), covariance, rtol=0, atol=0.04)


def test_score_has_zero_mean_under_its_own_density() -> None:
    x = uneven().sample(100_000, generator(2))
    assert uneven().score(x).mean(0).abs().max() < 0.02


def test_responsibilities_sum_to_one_and_average_to_the_weights() -> None:
    x = uneven().sample(100_000, generator(3))
    shares = uneven().responsibilities(x)
    torch.testing.assert_close(shares.sum(1), torch.ones(len(x), dtype=torch.float64))
    torch.testing.assert_close(shares.mean(0), uneven().weights, rtol=0, atol=0.01)


def test_the_papers_mixture_is_mostly_in_the_upper_mode() -> None:
    x = two_mode_mixture().sample(20_000, generator(4))
    assert abs(float((x.sum(1) > 0).float().mean()) - 0.8) < 0.01


@pytest.mark.parametrize(
    ("weights", "means", "std", "rule"),
    [
        ([0.5, 0.5], [[0.0]], 1.0, "weights must be"),
        ([0.5, 0.6], [[0.0], [1.0]], 1.0, "sum to 1"),
        ([1.0], [[0.0]], 0.0, "std must be positive"),
    ],
)
def test_wrong_mixtures_are_refused(
    weights: list[float], means: list[list[float]], std: float, rule: str
) -> None:
    with pytest.raises(ValueError, match=rule):
        GaussianMixture(torch.tensor(weights), torch.tensor(means), std)


def test_samples_come_from_their_generator_and_have_the_dtype_of_the_means() -> None:
    first, again = (uneven().sample(5, generator()) for _ in range(2))
    assert torch.equal(first, again) and first.dtype == torch.float64


def test_a_mixture_answers_in_the_dtype_of_the_points() -> None:
    x = torch.randn(5, 2, generator=generator())
    for value in (uneven().score(x), uneven().log_prob(x)):
        assert value.dtype == torch.float32


def test_a_component_without_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="weights must be positive"):
        GaussianMixture(torch.tensor([0.0, 1.0]), torch.zeros(2, 2))


def test_the_toy_density_is_that_of_the_paper() -> None:
    """Song & Ermon 2019, Sec. 3.2: modes at (-5, -5) and (5, 5), a fifth at the first."""
    mixture = two_mode_mixture()
    modes = torch.tensor([[-5.0, -5.0], [5.0, 5.0]])
    expected = torch.log(torch.tensor([0.2, 0.8]) / (2 * math.pi))
    torch.testing.assert_close(mixture.log_prob(modes), expected)
    torch.testing.assert_close(mixture.score(modes), torch.zeros(2, 2), atol=1e-6, rtol=0)

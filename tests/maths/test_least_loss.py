"""The least denoising loss: known cases, no score below it, and the share of dequantisation."""

import math

import pytest
import torch
from torch import Tensor

from ncsn.maths.exact_score import smoothed_data_score
from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.least_loss import jitter_loss, least_dsm_loss

SIGMAS = geometric_sigmas(1.0, 0.01, 10)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int, size: int = 8) -> Tensor:
    points = torch.randint(1, 255, (count, 1, size, size), generator=generator(1))
    points[1] = points[0]
    points[1, 0, 0, 0] += 1
    return points.to(torch.uint8)


def test_least_loss_of_one_and_two_points_is_known() -> None:
    # One point: the noise is known exactly. Two points a distance 2a apart along one axis: the
    # loss is 1/2 (a/sigma)^2 E[1 - tanh^2(a x / sigma^2)], by quadrature below.
    sigmas = torch.tensor([2.0, 0.5, 0.1], dtype=torch.float64)
    one = torch.zeros(1, 4, dtype=torch.float64)
    assert least_dsm_loss(one, sigmas, generator(), num_draws=10).mean.abs().max() < 1e-25
    a = 0.4
    two = torch.tensor([[a, 0.0], [-a, 0.0]], dtype=torch.float64)
    least = least_dsm_loss(two, sigmas, generator(4), num_draws=20_000, batch_size=7000)
    z = torch.linspace(-9, 9, 20_001, dtype=torch.float64)
    density = torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)
    for level, sigma in enumerate(sigmas.tolist()):
        spread = 1 - torch.tanh(a * (a + sigma * z) / sigma**2).square()
        exact = 0.5 * (a / sigma) ** 2 * torch.trapezoid(spread * density, z)
        assert abs(least.mean[level] - exact) < 4 * least.standard_error[level] + 1e-12


def test_no_other_score_has_a_smaller_loss() -> None:
    points = images(30)
    least = least_dsm_loss(points, SIGMAS, generator(5), num_draws=400)
    values = points.double() / 255
    pick = torch.randint(30, (400,), generator=generator(6))
    z = torch.randn(values[pick].shape, generator=generator(7), dtype=torch.float64)
    for level, sigma in enumerate(SIGMAS.tolist()):
        x = values[pick] + sigma * z
        for factor in (0.9, 1.1):  # the exact score, scaled
            score = factor * smoothed_data_score(x, sigma, points)
            loss = 0.5 * (sigma * score + z).flatten(1).square().sum(1).mean()
            assert loss > least.mean[level]


def below(t: Tensor) -> Tensor:
    return 0.5 * torch.special.erfc(-t / math.sqrt(2))


def bell(t: Tensor) -> Tensor:
    return torch.exp(-0.5 * t.square()) / math.sqrt(2 * math.pi)


def dequantised_losses(points: Tensor, sigma: float, num_draws: int) -> Tensor:
    """Losses (num_draws,) of the exact score of (k + u) / 256, u uniform, as a product of pixels.

    An image's pixel, uniform over [k, k + 1] / 256 and smoothed, has density P(top) - P(bottom).
    """
    draws = generator(3)
    pick = torch.randint(len(points), (num_draws,), generator=draws)
    u = torch.rand((num_draws, points.shape[1]), generator=draws, dtype=torch.float64)
    z = torch.randn(u.shape, generator=draws, dtype=torch.float64)
    x = (points[pick].double() + u) / 256 + sigma * z
    bottom = (points.double()[None] / 256 - x[:, None]) / sigma  # (draws, points, pixels)
    top = bottom + 1 / (256 * sigma)
    mass = (below(top) - below(bottom)).clamp_min(1e-300)
    weight = mass.log().sum(2).softmax(1)
    score = (weight[:, :, None] * (bell(bottom) - bell(top)) / mass).sum(1)  # times sigma
    return 0.5 * (score + z).square().sum(1)


@pytest.mark.parametrize("sigma", [0.05, 0.01, 0.004, 0.002])
def test_the_bound_with_dequantisation_lies_below_the_exact_loss(sigma: float) -> None:
    # near-duplicates, so that neither bound is negligible at all levels
    points = torch.tensor([[100, 50], [101, 50], [104, 52], [180, 90]], dtype=torch.uint8)
    level = torch.tensor([sigma], dtype=torch.float64)
    bound = least_dsm_loss(points, level, generator(), num_draws=20_000, dequantised=True)
    exact = dequantised_losses(points, sigma, 20_000)
    error = 4 * (float(exact.std()) / 20_000**0.5 + float(bound.standard_error))
    assert float(bound.mean) < float(exact.mean()) + error


@pytest.mark.parametrize("sigma", [0.03, 0.01, 0.003, 0.001])
def test_one_image_has_the_loss_of_its_dequantisation_alone(sigma: float) -> None:
    points = torch.tensor([[7, 200, 90]], dtype=torch.uint8)
    level = torch.tensor([sigma], dtype=torch.float64)
    bound = least_dsm_loss(points, level, generator(), num_draws=2, dequantised=True)
    exact = dequantised_losses(points, sigma, 20_000)
    assert float(bound.standard_error) == 0
    assert abs(float(bound.mean - exact.mean())) < 4 * float(exact.std()) / 20_000**0.5


def test_the_loss_of_an_interval_tends_to_that_of_its_best_linear_estimate() -> None:
    sigmas = geometric_sigmas(10.0, 1e-4, 12)
    variance = (1 / 256) ** 2 / 12 / sigmas.square()
    linear, loss = 0.5 * variance / (variance + 1), jitter_loss(1 / 256, sigmas)
    assert bool((loss <= linear * (1 + 1e-4)).all()) and bool((loss.diff() > 0).all())
    wide = sigmas > 0.01
    torch.testing.assert_close(loss[wide], linear[wide], rtol=1e-4, atol=0)


def test_the_standard_error_is_the_spread_of_the_mean_over_seeds() -> None:
    two = torch.tensor([[0.4, 0.0], [-0.4, 0.0]], dtype=torch.float64)
    sigmas = torch.tensor([0.5], dtype=torch.float64)
    runs = [least_dsm_loss(two, sigmas, generator(seed), num_draws=500) for seed in range(40)]
    spread = torch.stack([run.mean for run in runs]).std()
    claimed = torch.stack([run.standard_error for run in runs]).mean()
    assert float(claimed / spread) == pytest.approx(1, abs=0.45)  # 4 standard errors of 40 runs
    again = least_dsm_loss(two, sigmas, generator(0), num_draws=500)
    assert torch.equal(again.mean, runs[0].mean)

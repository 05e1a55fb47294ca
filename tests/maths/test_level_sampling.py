"""Noise levels are drawn as often as their law says."""

import pytest
import torch

from ncsn.base.rng import generator
from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.level_sampling import level_probabilities, levels_at, sigmas_at
from ncsn.maths.losses import denoising_score_matching

SIGMAS = geometric_sigmas(1.0, 0.01, 10)
COUNT = 100_000


def _uniform(name="u"):
    return torch.rand(COUNT, generator=generator(name))


@pytest.mark.parametrize("power", [-2.0, -0.5, 0.0, 1.0])
def test_levels_have_frequencies_proportional_to_a_power_of_sigma(power):
    expected = SIGMAS**power / (SIGMAS**power).sum()
    probabilities = level_probabilities(SIGMAS, power)
    torch.testing.assert_close(probabilities, expected)
    levels = levels_at(probabilities.cumsum(0), _uniform())
    found = levels.bincount(minlength=10) / COUNT
    spread = (expected * (1 - expected) / COUNT).sqrt()
    assert ((found - expected).abs() < 4 * spread + 1e-9).all()


def test_levels_stay_on_the_ladder_at_the_ends_of_the_uniform_numbers():
    ends = torch.tensor([0.0, 1 - 2**-24])
    for power in (-2.0, 0.0, 2.0):
        cumulative = level_probabilities(SIGMAS, power).cumsum(0)
        assert levels_at(cumulative, ends)[0] == 0 and levels_at(cumulative, ends)[1] <= 9
    short = torch.tensor([0.5, 1 - 1e-6], dtype=torch.float64)  # sums that were rounded down
    assert levels_at(short, ends).tolist() == [0, 1]
    assert levels_at(torch.tensor([0.5, 1.0]), torch.tensor([0.5])).tolist() == [1]  # [0.5, 1)


@pytest.mark.parametrize("power", [-2.0, -0.5, 0.0, 1.0])
def test_sigmas_of_a_range_have_a_density_proportional_to_a_power_of_sigma(power):
    """The shares of ten parts of the range, equal in the logarithm."""
    sigmas = sigmas_at(1.0, 0.01, power, _uniform())
    edges = torch.logspace(-2, 0, 11, dtype=torch.float64)
    weights = edges.log() if power == 0 else edges**power
    expected = (weights.diff() / (weights[-1] - weights[0])).float()
    found = torch.bucketize(sigmas, edges[1:-1].float()).bincount(minlength=10) / COUNT
    spread = (expected * (1 - expected) / COUNT).sqrt()
    assert ((found - expected).abs() < 4 * spread + 1e-9).all()
    ends = sigmas_at(1.0, 0.01, power, torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(ends, torch.tensor([1.0, 0.01]))
    assert sigmas.dtype == torch.float32


def test_the_widest_range_and_steepest_powers_stay_finite():
    for power in (-2.0, 2.0):
        sigmas = sigmas_at(65_536.0, 1e-6, power, _uniform())
        assert sigmas.isfinite().all() and sigmas.min() > 0
        assert level_probabilities(geometric_sigmas(65_536.0, 1e-6, 50), power).isfinite().all()


def _mean_loss(levels, weight_power):
    """Of a score that is wrong by another amount at each level, without noise of the draws."""
    x, z = torch.zeros(len(levels), 1), torch.ones(len(levels), 1)

    def score(noisy, level):
        return level[:, None] / SIGMAS.float()[level][:, None]

    return denoising_score_matching(score, x, levels, z, SIGMAS, weight_power).double()


@pytest.mark.parametrize("power", [-0.5, 0.5])
def test_the_weight_can_undo_what_the_sampling_does_to_the_expected_loss(power):
    """Weight p - q on levels drawn with q, against weight p on levels drawn alike."""
    alike = _mean_loss(torch.arange(10), 2.0).mean()
    levels = levels_at(level_probabilities(SIGMAS, power).cumsum(0), _uniform())
    losses = _mean_loss(levels, 2.0 - power) * (SIGMAS**power).mean()
    error = losses.std() / COUNT**0.5
    assert abs(losses.mean() - alike) < 4 * error
    biased = _mean_loss(levels, 2.0)
    assert abs(biased.mean() - alike) > 20 * biased.std() / COUNT**0.5

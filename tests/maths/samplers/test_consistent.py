"""Consistent annealed sampling keeps the noise of every level exactly; Langevin does not."""

import math

import pytest
import torch
from torch import Tensor

from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.samplers.annealing import sample
from ncsn.maths.samplers.consistent import consistent_annealed, consistent_noise_scales

SIGMAS = geometric_sigmas(1.0, 0.01, 10)


def epsilon(eta: float, sigmas: Tensor = SIGMAS) -> float:
    return 2 * eta * float(sigmas[-1]) ** 2


def test_a_point_at_sigma_k_goes_exactly_to_the_next_sigma() -> None:
    # Around one data point the step is linear: it shrinks the deviation by 1 - eta and adds
    # independent noise, so the variance is known without sampling.
    for sigmas in (SIGMAS, torch.tensor([5.0, 3.0, 2.5, 1.0], dtype=torch.float64)):
        for eta in (0.7, 1.0, 1.3):
            scales = consistent_noise_scales(sigmas, epsilon(eta, sigmas))
            after = ((1 - eta) * sigmas[:-1]).square() + scales[:-1].square()
            torch.testing.assert_close(after.sqrt(), sigmas[1:], rtol=1e-12, atol=0)
            assert scales[-1] == 0


def test_states_around_a_point_have_the_std_of_the_next_level() -> None:
    generator = torch.Generator().manual_seed(0)
    point, count, seen = 0.3, 200_000, []

    def score_fn(x: Tensor, level: Tensor) -> Tensor:
        return (point - x) / SIGMAS[level][:, None] ** 2

    def noise(x: Tensor) -> Tensor:
        return torch.randn(x.shape, generator=generator, dtype=x.dtype)

    start = point + SIGMAS[0] * noise(torch.zeros(count, 1, dtype=torch.float64))
    kernel = consistent_annealed(SIGMAS, epsilon=epsilon(0.8))
    x = sample(
        kernel, score_fn, start, noise, lambda level, x: seen.append((level, float(x.std())))
    )
    assert [level for level, _ in seen] == list(range(10))
    for level, std in seen[:-1]:
        assert abs(std / float(SIGMAS[level + 1]) - 1) < 4 / math.sqrt(2 * count)
    assert abs(float(x.std()) / (0.2 * 0.01) - 1) < 4 / math.sqrt(2 * count)  # no noise at the end


def test_denoising_ends_at_the_point() -> None:
    x = sample(
        consistent_annealed(SIGMAS, epsilon=epsilon(0.8), final_denoise=True),
        lambda x, level: (0.3 - x) / SIGMAS[level][:, None] ** 2,
        torch.ones(4, 2, dtype=torch.float64),
        torch.ones_like,
    )
    torch.testing.assert_close(x, torch.full_like(x, 0.3))


def test_eta_is_half_of_epsilon_over_the_last_variance() -> None:
    # The released NCSN ladder asks the drift for 4.0e-5 to 1.6e-4, so Algorithm 1's epsilon for
    # twice that.
    for drift in (4.1e-5, 1.59e-4):
        consistent_noise_scales(SIGMAS, 2 * drift)
    for drift in (3.9e-5, 1.61e-4):
        with pytest.raises(ValueError, match="1 - gamma"):
            consistent_noise_scales(SIGMAS, 2 * drift)


def test_the_complaint_names_range_and_value() -> None:
    with pytest.raises(ValueError, match=r"between 8\.01e-05 and 0\.0003199, got 2e-05"):
        consistent_annealed(SIGMAS, epsilon=2e-5)


def test_the_start_is_not_modified_and_the_chain_counts_its_calls() -> None:
    calls: list[int] = []

    def noise(x: Tensor) -> Tensor:
        calls.append(len(x))
        return torch.zeros_like(x)

    start = torch.ones(3, 2)
    kernel = consistent_annealed(SIGMAS, epsilon=epsilon(1.0))
    x = sample(kernel, lambda x, level: -x, start, noise)
    assert torch.equal(start, torch.ones(3, 2)) and x.shape == start.shape
    assert calls == [3] * 9


def test_samples_do_not_depend_on_the_batch() -> None:
    z = torch.randn(9, 6, 2, generator=torch.Generator().manual_seed(1))

    def draw(rows: slice) -> Tensor:
        steps = iter(z[:, rows])
        return sample(
            consistent_annealed(SIGMAS, epsilon=epsilon(1.0)),
            lambda x, level: torch.tanh(-x) * (level + 1)[:, None],
            torch.ones(6, 2)[rows],
            lambda x: next(steps),
        )

    assert torch.equal(draw(slice(0, 6)), torch.cat([draw(slice(0, 2)), draw(slice(2, 6))]))


@pytest.mark.parametrize("sigmas", [[0.1], [0.2, 0.1]])
def test_short_ladders_have_their_range_too(sigmas: list[float]) -> None:
    """0 < eta < 2 for a single level, 1 - gamma < eta < 1 + gamma for two."""
    ladder = torch.tensor(sigmas)
    gamma = sigmas[-1] / sigmas[0]
    for eta in (1 - gamma + 0.01, 1 + gamma - 0.01):
        scales = consistent_noise_scales(ladder, 2 * eta * 0.1**2)
        assert scales.dtype == torch.float64 and torch.isfinite(scales).all()
    for eta in (1 - gamma - 0.01, 1 + gamma + 0.01):
        with pytest.raises(ValueError, match="1 - gamma"):
            consistent_noise_scales(ladder, 2 * eta * 0.1**2)

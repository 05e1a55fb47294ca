"""Laws of the discretised chains, known in closed form."""

from dataclasses import replace

import pytest
import torch

from ncsn.base.rng import generator
from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.samplers.annealing import anneal, sample
from ncsn.maths.samplers.langevin import (
    annealed_alphas,
    annealed_langevin,
    at_level,
    langevin_step,
)


def _noise(*name, dtype=torch.float64):
    draws = generator(*name)
    return lambda x: torch.randn(x.shape, generator=draws, dtype=dtype)


@pytest.mark.parametrize(("std", "alpha"), [(1.0, 0.1), (1.0, 0.5), (0.5, 0.4), (0.2, 0.01)])
def test_a_fixed_step_settles_at_the_stationary_variance(std, alpha):
    """s^2 / (1 - alpha / (4 s^2)); a chain with drift alpha and noise sqrt(2 alpha) misses it."""
    noise = _noise("stationary", int(1000 * alpha))
    x = torch.zeros(100_000, dtype=torch.float64)
    for _ in range(int(12 * std**2 / alpha) + 10):
        x = langevin_step(x, -x / std**2, alpha, noise(x))
    expected = std**2 / (1 - alpha / (4 * std**2))
    assert float(x.var()) == pytest.approx(expected, rel=0.02)  # 4 standard errors
    wrong = std**2 / (1 - alpha / (2 * std**2))
    assert abs(float(x.var()) - wrong) > abs(float(x.var()) - expected)


def test_the_form_with_eps_is_the_same_chain_with_half_the_step():
    x, score, z = (torch.randn(3, 5, generator=generator("forms", i)) for i in range(3))
    eps = 0.03
    torch.testing.assert_close(
        langevin_step(x, score, 2 * eps, z), x + eps * score + (2 * eps) ** 0.5 * z
    )


def test_the_steps_of_algorithm_1():
    sigmas = geometric_sigmas(1.0, 0.01, 10)
    alphas = annealed_alphas(sigmas, 2e-5)
    assert float(alphas[-1]) == pytest.approx(2e-5)
    assert float(alphas[0]) == pytest.approx(0.2)
    torch.testing.assert_close(alphas / sigmas**2, torch.full_like(alphas, 0.2))


def test_annealing_a_gaussian_gives_the_variance_of_the_recursion():
    """One number by two routes: the chain itself, and its variance carried from step to step."""
    data_std, epsilon, steps = 0.3, 2e-3, 7
    sigmas = geometric_sigmas(1.0, 0.1, 5)

    def score_fn(x, level):
        return -x / (data_std**2 + sigmas[level] ** 2)

    variance = 1.0
    for sigma, alpha in zip(
        sigmas.tolist(), annealed_alphas(sigmas, epsilon).tolist(), strict=True
    ):
        for _ in range(steps):
            variance *= (1 - alpha / 2 / (data_std**2 + sigma**2)) ** 2
            variance += alpha
    start = _noise("start")(torch.empty(200_000))
    kernel = annealed_langevin(sigmas, epsilon=epsilon, steps_per_level=steps)
    x = sample(kernel, score_fn, start, _noise("chain"))
    assert float(x.var()) == pytest.approx(variance, rel=0.015)
    kernel = replace(kernel, final_denoise=True)
    denoised = sample(kernel, score_fn, start, _noise("chain"))
    shrink = 1 - 0.1**2 / (data_std**2 + 0.1**2)
    torch.testing.assert_close(denoised, shrink * x)


def test_the_last_step_is_in_the_result_and_levels_are_told():
    """The released code returns the state before its last update."""
    calls, levels = [], []

    def score_fn(x, level):
        calls.append(level.tolist())
        return torch.zeros_like(x)

    sigmas = geometric_sigmas(1.0, 0.1, 3)
    kernel = annealed_langevin(sigmas, epsilon=0.01, steps_per_level=2)
    start = torch.zeros(2, 1, dtype=torch.float64)

    def tell(level, x):
        levels.append((level, float(x[0])))

    x = sample(kernel, score_fn, start, torch.ones_like, tell)
    assert calls == [[i, i] for i in (0, 0, 1, 1, 2, 2)]
    jumps = annealed_alphas(sigmas, 0.01).sqrt().repeat_interleave(2).cumsum(0)
    assert float(x[0]) == pytest.approx(float(jumps[-1]))
    assert [level for level, _ in levels] == [0, 1, 2]
    assert [state for _, state in levels] == pytest.approx(jumps[1::2].tolist())


def test_the_start_is_not_modified():
    x = torch.rand(2, 3, generator=generator("start"))
    before = x.clone()
    kernel = annealed_langevin(torch.tensor([1.0, 0.5]), epsilon=0.1, steps_per_level=1)
    sample(kernel, lambda x, _: -x, x, _noise("n", dtype=torch.float32))
    assert torch.equal(x, before)


def test_the_caller_owns_the_loop():
    """A chain can be left after any level, and nothing is computed that nobody asks for."""
    calls = []

    def score_fn(x, level):
        calls.append(int(level[0]))
        return -x

    kernel = annealed_langevin(geometric_sigmas(1.0, 0.1, 4), epsilon=0.01, steps_per_level=2)
    start = torch.ones(2, 1, dtype=torch.float64)
    states = anneal(kernel, score_fn, start, torch.zeros_like)
    assert calls == []
    first, second = next(states), next(states)
    assert calls == [0, 0, 1, 1] and not torch.equal(first, second)


@pytest.mark.parametrize("final_denoise", [False, True])
def test_the_chain_without_annealing_settles_at_the_variance_of_its_fixed_step(final_denoise):
    """On data at 0, level L is N(0, s^2), and the chain has s^2 / (1 - alpha / (4 s^2))."""
    sigmas, levels, draws = geometric_sigmas(1.0, 0.5, 3), [], generator("single")

    def score_fn(x, level):
        levels.append(set(level.tolist()))
        return -x / sigmas[level][:, None] ** 2

    start = torch.zeros(100_000, 1, dtype=torch.float64)
    kernel = annealed_langevin(
        sigmas[2:], epsilon=0.2, steps_per_level=40, final_denoise=final_denoise
    )
    x = sample(
        kernel,
        at_level(score_fn, 2),
        start,
        lambda x: torch.randn(x.shape, generator=draws, dtype=x.dtype),
    )
    assert levels == [{2}] * (40 + final_denoise)
    assert float(start.abs().max()) == 0
    if final_denoise:
        assert float(x.abs().max()) < 1e-12  # the mean of the clean point
    else:
        assert float(x.var()) == pytest.approx(0.25 / (1 - 0.2 / (4 * 0.25)), rel=0.02)

"""Laws of the discretised chains, known in closed form."""

from functools import partial

import pytest
import torch

from ncsn.noise import geometric_sigmas
from ncsn.rng import generator
from ncsn.samplers.langevin import annealed_alphas, annealed_langevin, langevin_step


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
    run = partial(
        annealed_langevin, score_fn, start, sigmas, epsilon=epsilon, steps_per_level=steps
    )
    x = run(noise=_noise("chain"))
    assert float(x.var()) == pytest.approx(variance, rel=0.015)
    denoised = run(noise=_noise("chain"), final_denoise=True)
    shrink = 1 - 0.1**2 / (data_std**2 + 0.1**2)
    torch.testing.assert_close(denoised, shrink * x)


def test_the_last_step_is_in_the_result_and_levels_are_told():
    """The released code returns the state before its last update."""
    calls, levels = [], []

    def score_fn(x, level):
        calls.append(level.tolist())
        return torch.zeros_like(x)

    sigmas = geometric_sigmas(1.0, 0.1, 3)
    x = annealed_langevin(
        score_fn,
        torch.zeros(2, 1, dtype=torch.float64),
        sigmas,
        epsilon=0.01,
        steps_per_level=2,
        noise=torch.ones_like,
        on_level=lambda level, state: levels.append((level, float(state[0]))),
    )
    assert calls == [[i, i] for i in (0, 0, 1, 1, 2, 2)]
    jumps = annealed_alphas(sigmas, 0.01).sqrt().repeat_interleave(2).cumsum(0)
    assert float(x[0]) == pytest.approx(float(jumps[-1]))
    assert [level for level, _ in levels] == [0, 1, 2]
    assert [state for _, state in levels] == pytest.approx(jumps[1::2].tolist())


def test_the_start_is_not_modified():
    x = torch.rand(2, 3, generator=generator("start"))
    before = x.clone()
    annealed_langevin(
        lambda x, _: -x,
        x,
        torch.tensor([1.0, 0.5]),
        epsilon=0.1,
        steps_per_level=1,
        noise=_noise("n", dtype=torch.float32),
    )
    assert torch.equal(x, before)

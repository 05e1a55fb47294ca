"""The baseline's law: at one level with a fixed step, the stationary variance of that level."""

import pytest
import torch

from ncsn.noise import geometric_sigmas
from ncsn.rng import generator
from ncsn.samplers.single_level import single_level_langevin

SIGMAS = geometric_sigmas(1.0, 0.5, 3)


@pytest.mark.parametrize("final_denoise", [False, True])
def test_the_chain_settles_at_the_variance_of_its_fixed_step(final_denoise):
    """On data at 0, level L is N(0, s^2), and the chain has s^2 / (1 - alpha / (4 s^2))."""
    levels, draws = [], generator("single")

    def score_fn(x, level):
        levels.append(set(level.tolist()))
        return -x / SIGMAS[level][:, None] ** 2

    start = torch.zeros(100_000, 1, dtype=torch.float64)
    x = single_level_langevin(
        score_fn,
        start,
        SIGMAS,
        epsilon=0.2,
        num_steps=40,
        noise=lambda x: torch.randn(x.shape, generator=draws, dtype=x.dtype),
        final_denoise=final_denoise,
    )
    assert levels == [{2}] * (40 + final_denoise)
    assert float(start.abs().max()) == 0
    if final_denoise:
        assert float(x.abs().max()) < 1e-12  # the mean of the clean point
    else:
        assert float(x.var()) == pytest.approx(0.25 / (1 - 0.2 / (4 * 0.25)), rel=0.02)

"""Inpainting: known pixels stay, unknown ones follow their conditional distribution."""

import pytest
import torch

from ncsn.base.rng import generator
from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.samplers.annealing import sample
from ncsn.maths.samplers.inpainting import inpainting

SIGMAS = geometric_sigmas(2.0, 0.05, 12)


def _noise(name="noise"):
    draws = generator(name)
    return lambda x: torch.randn(x.shape, generator=draws, dtype=x.dtype)


def test_unknown_pixels_follow_the_conditional_gaussian():
    """Of two pixels with unit variance and correlation 0.8, given the first."""
    correlation, given = 0.8, 1.5
    cov = torch.tensor([[1.0, correlation], [correlation, 1.0]], dtype=torch.float64)

    def score_fn(x, level):
        noised = cov + SIGMAS[level[0]] ** 2 * torch.eye(2, dtype=torch.float64)
        return -torch.linalg.solve(noised, x.flatten(1).T).T.view_as(x)

    known = (
        torch.tensor([given, 0.0], dtype=torch.float64).view(1, 1, 1, 2).expand(40_000, 1, 1, 2)
    )
    mask = torch.tensor([True, False]).view(1, 1, 1, 2)
    kernel = inpainting(known, mask, SIGMAS, epsilon=0.05**2 * 0.5, steps_per_level=40)
    x = sample(kernel, score_fn, torch.zeros_like(known), _noise())
    assert torch.equal(x[..., 0], known[..., 0])
    assert float(x[..., 1].mean()) == pytest.approx(correlation * given, abs=0.08)
    assert float(x[..., 1].var()) == pytest.approx(1 - correlation**2, rel=0.15)


def test_the_score_sees_known_pixels_with_the_noise_of_their_level():
    seen = []

    def score_fn(x, level):
        seen.append((int(level[0]), x[..., 0].std().item(), x[..., 0].clone()))
        return torch.zeros_like(x)

    known = torch.full((5000, 1, 1, 2), 0.3)
    mask = torch.tensor([True, False])
    start = torch.rand(known.shape, generator=generator("start"))
    before = start.clone()
    kernel = inpainting(known, mask, SIGMAS, epsilon=1e-4, steps_per_level=2)
    sample(kernel, score_fn, start, _noise())
    assert torch.equal(start, before)
    assert [level for level, _, _ in seen] == [i for i in range(12) for _ in range(2)]
    for level, spread, _ in seen:
        assert spread == pytest.approx(float(SIGMAS[level]), rel=0.05)
    for first, second in zip(seen[::2], seen[1::2], strict=True):
        assert torch.equal(first[2], second[2])  # drawn once a level


def test_a_last_denoising_moves_unknown_pixels_to_the_mean_of_the_clean_image():
    sigmas = SIGMAS.float()

    def score_fn(x, level):  # of a single image at 0.25
        return (0.25 - x) / sigmas[level].view(-1, 1, 1, 1) ** 2

    known = torch.full((50, 1, 1, 2), 0.9)
    mask = torch.tensor([True, False])
    options = {"epsilon": 0.05**2 * 0.5, "steps_per_level": 5}
    kernel = inpainting(known, mask, sigmas, final_denoise=True, **options)
    x = sample(kernel, score_fn, torch.zeros_like(known), _noise())
    assert torch.equal(x[..., 0], known[..., 0])
    torch.testing.assert_close(x[..., 1], torch.full((50, 1, 1), 0.25))


def test_known_pixels_carry_the_known_image_plus_the_noise_of_the_level():
    """Line 5 of Algorithm 2, y = known + sigma_i z, on the very numbers that are drawn."""
    seen = []

    def score_fn(x, level):
        seen.append(x[0, 0, 0, 0].item())
        return torch.zeros_like(x)

    known = torch.full((1, 1, 1, 2), 0.3, dtype=torch.float64)
    mask = torch.tensor([True, False])
    kernel = inpainting(known, mask, SIGMAS, epsilon=1e-4, steps_per_level=1)
    sample(kernel, score_fn, torch.zeros_like(known), torch.ones_like)
    assert seen == pytest.approx([0.3 + sigma for sigma in SIGMAS.tolist()])

"""The ladder of the paper, and what a ladder must be."""

import pytest
import torch

from ncsn.maths.ladder import geometric_sigmas, ladder_index


def test_the_papers_ladder():
    sigmas = geometric_sigmas(1.0, 0.01, 10)
    listed = [1, 0.59948, 0.35938, 0.21544, 0.12915, 0.07743, 0.04642, 0.02783, 0.01668, 0.01]
    assert sigmas.dtype == torch.float64
    assert sigmas.tolist() == pytest.approx(listed, abs=5e-6)


@pytest.mark.parametrize(
    ("high", "low", "count"), [(1.0, 0.01, 10), (50.0, 0.01, 232), (20.0, 1.0, 2)]
)
def test_a_ladder_runs_downhill_at_one_ratio_between_exact_ends(high, low, count):
    sigmas = geometric_sigmas(high, low, count)
    ratios = sigmas[1:] / sigmas[:-1]
    assert len(sigmas) == count
    assert (sigmas[0], sigmas[-1]) == (high, low)
    assert torch.allclose(ratios, ratios[0].expand_as(ratios), rtol=1e-12)
    assert ratios[0] < 1


def test_one_level_is_one_sigma():
    assert geometric_sigmas(0.01, 0.01, 1).tolist() == [0.01]


@pytest.mark.parametrize("bad", [(0.01, 1.0, 10), (1.0, 0.0, 10), (1.0, 1.0, 2), (1.0, 0.1, 1)])
def test_a_ladder_that_does_not_run_downhill_is_refused(bad):
    with pytest.raises(ValueError, match="sigma_max > sigma_min > 0"):
        geometric_sigmas(*bad)


def test_the_ends_of_a_ladder_are_exact_to_the_bit():
    """Some of these 200 ladders would miss sigma_min by the rounding error of the product."""
    missed = 0
    for n in range(200):
        high, low = 1 + n / 7, 0.01 + n / 3000
        sigmas = geometric_sigmas(high, low, 2 + n % 30)
        assert (float(sigmas[0]), float(sigmas[-1])) == (high, low)
        missed += high * (low / high) != low
    assert missed > 0


def test_sigmas_of_zero_are_no_ladder_of_one_level():
    with pytest.raises(ValueError, match="sigma_max > sigma_min > 0"):
        geometric_sigmas(0.0, 0.0, 1)


def test_a_sigma_of_less_precision_finds_its_level():
    sigmas = geometric_sigmas(1.0, 0.01, 10)
    assert ladder_index(sigmas.float(), sigmas).tolist() == list(range(10))
    assert ladder_index(torch.tensor([9, 0]), sigmas).tolist() == [9, 0]

"""The one Frechet distance: closed forms, invariances, another way to the same number."""

import numpy as np
import pytest
import torch
from numpy.random import Generator

from ncsn.maths.frechet import GaussianStatistics, frechet_distance, gaussian_statistics


@pytest.fixture
def rng() -> Generator:
    return np.random.default_rng(5)


def distance(mean1: np.ndarray, cov1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray) -> float:
    first, second = (
        GaussianStatistics(torch.from_numpy(mean), torch.from_numpy(cov))
        for mean, cov in ((mean1, cov1), (mean2, cov2))
    )
    return frechet_distance(first, second)


def rotation(rng: Generator, dim: int) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(dim, dim)))[0]


@pytest.mark.parametrize("rank", [7, 4, 1])
def test_frechet_distance_is_the_closed_form_where_covariances_commute(
    rng: Generator, rank: int
) -> None:
    """|m1 - m2|^2 + sum of (sqrt(a) - sqrt(b))^2 over common axes, some of them without spread."""
    axes, (mean1, mean2) = rotation(rng, 7), rng.normal(size=(2, 7))
    a, b = rng.uniform(0.1, 3, (2, 7)) * (np.arange(7) < rank)
    expected = ((mean1 - mean2) ** 2).sum() + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    value = distance(mean1, axes * a @ axes.T, mean2, axes * b @ axes.T)
    assert value == pytest.approx(expected, abs=1e-6)


def test_frechet_distance_is_the_closed_form_in_two_dimensions(rng: Generator) -> None:
    """tr sqrt(AB) = sqrt(tr(AB) + 2 sqrt(det AB)) for 2x2 matrices, which need not commute."""
    a, b = (part @ part.T for part in rng.normal(size=(2, 2, 2)))
    root_trace = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a @ b)))
    expected = np.trace(a) + np.trace(b) - 2 * root_trace
    zero = np.zeros(2)
    assert distance(zero, a, zero, b) == pytest.approx(expected, abs=1e-9)


def test_frechet_distance_does_not_turn_with_the_axes_and_has_no_direction(rng: Generator) -> None:
    turn, (mean1, mean2) = rotation(rng, 5), rng.normal(size=(2, 5))
    cov1, cov2 = (part @ part.T for part in rng.normal(size=(2, 5, 5)))
    value = distance(mean1, cov1, mean2, cov2)
    turned = distance(turn @ mean1, turn @ cov1 @ turn.T, turn @ mean2, turn @ cov2 @ turn.T)
    assert turned == pytest.approx(value)
    assert distance(mean2, cov2, mean1, cov1) == pytest.approx(value)


@pytest.mark.parametrize("count", [2, 50, 2500])  # 2500 rows come in more than one chunk
def test_statistics_are_those_of_numpy(rng: Generator, count: int) -> None:
    rows = 1e3 + rng.normal(size=(count, 3, 2))
    flat = rows.reshape(count, 6) / 7
    statistics = gaussian_statistics(torch.from_numpy(rows).flatten(1), scale=1 / 7)
    np.testing.assert_allclose(statistics.mean, flat.mean(0))
    np.testing.assert_allclose(statistics.cov, np.cov(flat, rowvar=False), atol=1e-11)


def test_points_are_at_no_distance_from_themselves(rng: Generator) -> None:
    same = gaussian_statistics(torch.from_numpy(rng.normal(size=(100, 48))))
    assert frechet_distance(same, same) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(broken: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        distance(np.zeros(2), np.full((2, 2), broken), np.zeros(2), np.eye(2))
    with pytest.raises(ValueError, match="finite"):
        gaussian_statistics(torch.tensor([[1.0, broken], [0.0, 1.0]]))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="means must be"):
        distance(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3))
    with pytest.raises(ValueError, match="at least 2 points"):
        gaussian_statistics(torch.zeros(1, 3))

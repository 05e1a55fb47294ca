"""Laws of error bars: they cover at about their nominal rate over 200 draws of Gaussians.

The bars of a value claim its expectation at these numbers of images, those of the limit the
distance of the laws. Rates are held to three standard deviations of a binomial of 200 draws around
68 and 95 percent; where no linear part is left bars are too long, which is told and allowed.
"""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from ncsn.base.rng import generator
from ncsn.maths.frechet import gaussian_statistics
from ncsn.maths.frechet_error import frechet_limit, frechet_variances, statistics_without
from ncsn.maths.jackknife import jackknife_variance, random_parts
from ncsn.maths.kernel_distance import kernel_distance, kernel_distance_variances
from ncsn.maths.manifold import share_inside
from ncsn.runtime.threads import one_thread

DRAWS, DIM, NUM_GENERATED, NUM_REAL = 200, 6, 200, 150
WITHIN_ONE, WITHIN_TWO = (0.58, 0.79), (0.89, 1.0)  # 0.68 and 0.95, three deviations
TOO_LONG = (0.58, 0.95)


class Rates(NamedTuple):
    """Shares of draws whose bars of one and of two errors hold the truth."""

    one: float
    two: float


def covered(values: Tensor, errors: Tensor, truth: float | None = None) -> Rates:
    """Rates for a known truth, or for the mean over the draws."""
    off = (values - (values.mean() if truth is None else truth)).abs()
    one, two = ((off < width * errors).double().mean().item() for width in (1, 2))
    return Rates(one, two)


def within(rates: Rates, one: tuple[float, float] = WITHIN_ONE) -> bool:
    return one[0] <= rates.one <= one[1] and WITHIN_TWO[0] <= rates.two <= WITHIN_TWO[1]


def points(count: int, shift: float, scale: float, draw: torch.Generator) -> Tensor:
    return shift + scale * torch.randn(count, DIM, generator=draw, dtype=torch.float64)


class Drawn(NamedTuple):
    """What 200 draws gave: value and error of each, (200, 2), by name; and the true distance."""

    found: dict[str, Tensor]
    truth: float


def measured(shift: float, scale: float) -> Drawn:
    """Distances of N(shift, scale^2) from N(0, 1) in DIM dimensions, with their errors."""
    rows: dict[str, list[tuple[float, float]]] = {}
    for number in range(DRAWS):
        draw = generator(number, "errors")
        x, y = points(NUM_GENERATED, shift, scale, draw), points(NUM_REAL, 0, 1, draw)
        groups = random_parts(len(x), 20, draw), random_parts(len(y), 20, draw)
        fid, limit = frechet_variances(x, y, groups), frechet_limit(x, y, draw)
        whole = limit.generated.distances[0]
        kernel = kernel_distance_variances(x, y, groups)
        precision = share_inside(x, y, 3, 20, draw)
        recall = share_inside(y, x, 3, 20, draw)
        for name, value, variance in [
            ("fid", whole, fid.generated + fid.real),
            ("limit", limit.value, fid.generated + fid.real + limit.fit_error**2),
            ("kid", kernel_distance(x, y), kernel.generated + kernel.real),
            ("precision", precision.value, precision.of_points + precision.of_centres),
            ("recall", recall.value, recall.of_points + recall.of_centres),
        ]:
            rows.setdefault(name, []).append((value, variance**0.5))
    found = {name: torch.tensor(pairs, dtype=torch.float64) for name, pairs in rows.items()}
    return Drawn(found, DIM * (shift**2 + (scale - 1) ** 2))


@pytest.fixture(scope="module")
def apart() -> Drawn:
    with one_thread():
        return measured(0.3, 1.3)


@pytest.fixture(scope="module")
def equal() -> Drawn:
    with one_thread():
        return measured(0.0, 1.0)


@pytest.mark.parametrize("name", ["fid", "kid"])
def test_bars_of_distances_cover_at_their_nominal_rate(apart: Drawn, name: str) -> None:
    rates = covered(*apart.found[name].T)
    assert within(rates), rates


@pytest.mark.parametrize("name", ["precision", "recall"])
def test_bars_of_shares_cover_and_are_at_most_a_half_too_long(apart: Drawn, name: str) -> None:
    values, errors = apart.found[name].T
    assert within(covered(values, errors), TOO_LONG)
    assert errors.mean() < 1.5 * values.std()


@pytest.mark.parametrize("name", ["fid", "kid", "precision", "recall"])
def test_bars_between_equal_laws_cover_and_are_at_most_a_half_too_long(
    equal: Drawn, name: str
) -> None:
    values, errors = equal.found[name].T
    assert within(covered(values, errors), TOO_LONG)
    assert errors.mean() < 1.5 * values.std()


def test_the_limit_holds_the_true_distance_where_the_plain_one_does_not(
    apart: Drawn, equal: Drawn
) -> None:
    for drawn, allowed in [(apart, WITHIN_ONE), (equal, (0.58, 1.0))]:
        values, errors = drawn.found["limit"].T
        assert within(covered(values, errors, drawn.truth), allowed)
        assert abs(values.mean() - drawn.truth) < 3 * values.std() / DRAWS**0.5 + 0.01
        plain = covered(*drawn.found["fid"].T, drawn.truth)
        assert plain.two < 0.9 and not within(plain)


def test_the_limit_with_the_reference_held_keeps_its_bias_alone() -> None:
    """Against a large reference both conventions meet; against a small one the paper's is high."""
    draw = generator(3, "held")
    x = points(400, 0.3, 1.3, draw)
    small, large = (frechet_limit(x, points(m, 0, 1, draw), draw) for m in (60, 40_000))
    assert small.fixed_reference - small.value == pytest.approx(small.real.rise)
    assert small.real.rise > 0.1
    assert large.fixed_reference == pytest.approx(large.value, abs=0.005)


def test_the_jackknife_of_a_mean_is_its_textbook_variance() -> None:
    rows = torch.randn(40, generator=generator(1), dtype=torch.float64)
    without = [(rows.sum() - row) / 39 for row in rows]
    assert jackknife_variance(torch.stack(without)) == pytest.approx(float(rows.var() / 40))


def test_parts_hold_every_point_once() -> None:
    parts = random_parts(23, 5, generator(1))
    assert sorted(torch.cat(parts).tolist()) == list(range(23))
    assert {len(part) for part in parts} == {4, 5}
    assert len(random_parts(3, 20, generator(1))) == 3


def test_statistics_without_a_group_are_those_of_the_rest() -> None:
    rows = points(50, 1, 2, generator(2))
    for gone in (1, 7):
        found = statistics_without(gaussian_statistics(rows), 50, rows[:gone])
        for mine, direct in zip(found, gaussian_statistics(rows[gone:]), strict=True):
            torch.testing.assert_close(mine, direct, rtol=1e-12, atol=1e-12)


def test_the_scale_of_points_scales_the_variance_by_its_fourth_power() -> None:
    draw = generator(4)
    x, y = points(60, 1, 1, draw), points(50, 0, 1, draw)
    groups = random_parts(60, 20, draw), random_parts(50, 20, draw)
    plain, scaled = (frechet_variances(x, y, groups, scale) for scale in (1.0, 3.0))
    assert scaled == pytest.approx([81 * part for part in plain])


def test_kernel_distances_without_a_group_are_those_of_the_rest() -> None:
    """Sums of the kernel between groups against leaving the points out themselves."""
    draw = generator(5)
    x, y = points(23, 0.5, 1, draw), points(30, 0, 1, draw)
    groups = random_parts(23, 6, draw), random_parts(30, 7, draw)
    found = kernel_distance_variances(x, y, groups)
    kept = [[i for i in range(len(rows))] for rows in (x, y)]
    without = (
        [
            kernel_distance(x[[i for i in kept[0] if i not in set(group.tolist())]], y)
            for group in groups[0]
        ],
        [
            kernel_distance(x, y[[i for i in kept[1] if i not in set(group.tolist())]])
            for group in groups[1]
        ],
    )
    assert found == pytest.approx([jackknife_variance(part) for part in without])


def test_the_kernel_distance_is_that_of_its_definition() -> None:
    x, y = points(9, 0.5, 1, generator(6)), points(7, 0, 1, generator(7))

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / DIM + 1) ** 3

    def within_sample(rows: Tensor) -> Tensor:
        matrix = kernel(rows, rows)
        return (matrix.sum() - matrix.trace()) / (len(rows) * (len(rows) - 1))

    direct = within_sample(x) + within_sample(y) - 2 * kernel(x, y).mean()
    assert kernel_distance(x, y) == pytest.approx(float(direct))


def test_a_share_is_that_of_the_balls_that_reach_to_the_third_neighbour() -> None:
    draw = generator(8)
    x, y = points(600, 0.3, 1.1, draw), points(80, 0, 1, draw)
    radii = torch.cdist(y, y).kthvalue(4).values  # the first is the point itself
    direct = (torch.cdist(x, y) <= radii).any(1).double()
    share = share_inside(x, y, 3, 20, draw)
    assert share.value == pytest.approx(float(direct.mean()))
    assert share.of_points == pytest.approx(float(direct.var() / 600))

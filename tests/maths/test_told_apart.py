"""Laws of the verdicts, on simulated studies whose truth is known.

Studies of equal points are told apart no more often than the level says, and the mean of fresh
draws of the best point is unbiased where that of the search is not.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy.stats import studentized_range, t

from ncsn.maths.told_apart import (
    LEVEL,
    Measured,
    Point,
    estimate,
    measured_verdict,
    needed_errors,
    pooled,
    verdicts,
)

STUDIES = 800
TOLERANCE = 3 * math.sqrt(LEVEL * (1 - LEVEL) / STUDIES)
Truth = Callable[[int], np.ndarray]


def equal(count: int) -> np.ndarray:
    """Points that do not differ."""
    return np.ones(count)


def half_equal(count: int) -> np.ndarray:
    """Half of the points share the best value; the others are worse, and noisier."""
    return np.concatenate([np.ones(count // 2), np.linspace(1.5, 15, count - count // 2)])


def point(values: Sequence[float], groups: Sequence[Sequence[float]]) -> Point:
    """A point with one training in each group."""
    return Point([values], [[group] for group in groups])


class Simulated:
    """A study: search, then fresh draws of the first ones; noise is a share of a point's mean.

    Points are drawn with the same seeds, so that `shared` of the noise's variance may be common.
    """

    def __init__(
        self,
        random: np.random.Generator,
        truth: np.ndarray,
        draws: int,
        confirm: int,
        noise: float = 0.25,
        shared: float = 0.0,
    ) -> None:
        self.truth = truth

        def drawn(times: int) -> np.ndarray:
            own = random.standard_normal((len(truth), times))
            common = random.standard_normal(times)
            both = math.sqrt(1 - shared) * own + math.sqrt(shared) * common
            return truth[:, None] * (1 + noise * both)

        search, again = drawn(draws), drawn(3)
        ranked = np.argsort(search.mean(1))
        fresh = {int(i): tuple(again[i]) for i in ranked[:confirm]}
        self.best = int(ranked[0])
        self.points = [
            point(fresh.get(i, tuple(row)), [tuple(row), fresh[i]] if i in fresh else [tuple(row)])
            for i, row in enumerate(search)
        ]
        self.found = verdicts(self.points, self.best, smaller_is_better=True)
        self.search_bias = float(search[self.best].mean() - truth[self.best])
        self.bias = float(np.mean(self.points[self.best].draws) - truth[self.best])

    def has_wrong_finding(self) -> bool:
        """Whether a point is called worse, or better, that is not."""
        best = self.truth[self.best]
        return any(
            (v.is_worse and mean <= best) or (v.is_better and mean >= best)
            for v, mean in zip(self.found, self.truth, strict=True)
        )


def simulated(
    count: int, truth: Truth, draws: int, confirm: int, noise: float, shared: float = 0.0
) -> list[Simulated]:
    random = np.random.default_rng([count, draws, confirm])
    points = truth(count)
    return [Simulated(random, points, draws, confirm, noise, shared) for _ in range(STUDIES)]


@pytest.mark.parametrize("truth", [equal, half_equal])
@pytest.mark.parametrize(
    ("count", "draws", "confirm"), [(12, 3, 3), (12, 1, 3), (12, 3, 0), (26, 1, 3), (2, 3, 0)]
)
def test_wrong_findings_are_rarer_than_the_level(count, truth, draws, confirm):
    studies = simulated(count, truth, draws, confirm, 0.25)
    assert np.mean([study.has_wrong_finding() for study in studies]) < LEVEL + TOLERANCE


@pytest.mark.parametrize("shared", [0.3, 0.8, 0.95])
@pytest.mark.parametrize(("draws", "confirm"), [(3, 3), (1, 3), (3, 0)])
def test_noise_that_points_share_by_their_seeds_makes_no_findings(draws, confirm, shared):
    studies = simulated(12, equal, draws, confirm, 0.25, shared)
    assert np.mean([study.has_wrong_finding() for study in studies]) < LEVEL + TOLERANCE


def test_the_level_is_used_up_where_nothing_is_drawn_again():
    """A rule so strict that it never finds anything would keep the law above, too."""
    studies = simulated(12, equal, 3, 0, 0.25)
    assert np.mean([study.has_wrong_finding() for study in studies]) > LEVEL / 3


def test_large_differences_are_found():
    studies = simulated(12, half_equal, 3, 3, 0.1)
    found = np.array([[v.is_worse for v in study.found] for study in studies])
    assert found[:, 8:].mean() > 0.99 and found[:, :6].mean() < LEVEL


@pytest.mark.parametrize(("count", "draws"), [(12, 3), (12, 1), (26, 1)])
def test_the_search_flatters_its_best_point_and_fresh_draws_do_not(count, draws):
    studies = simulated(count, equal, draws, 3, 0.25)
    fresh = np.array([study.bias for study in studies])
    error = fresh.std() / math.sqrt(STUDIES)
    assert abs(fresh.mean()) < 3 * error
    assert np.mean([study.search_bias for study in studies]) < -30 * error
    assert error == pytest.approx(0.25 / math.sqrt(3 * STUDIES), rel=0.1)


def test_bars_cover_the_mean_at_the_rate_of_students_distribution():
    random = np.random.default_rng(5)
    found = [estimate([random.standard_normal(3).tolist()]) for _ in range(4000)]
    covered = np.mean([abs(one.mean) < (one.error or 0) for one in found])
    assert covered == pytest.approx(0.577, abs=0.03)  # one error, two degrees of freedom


def test_one_draw_each_tells_nothing_apart():
    points = [point([value], [[value]]) for value in (1.0, 100.0, 1e9)]
    assert not any(v.is_worse or v.is_better for v in verdicts(points, 0, smaller_is_better=True))
    assert estimate([[1.0]]) == (1.0, None, None, 1, 1)
    assert pooled([[[1.0]], [[2.0]]], 1).dof == 0


def test_points_of_one_draw_borrow_the_spread_of_those_drawn_again():
    fresh = point([1.0, 1.1, 0.9], [[0.8], [1.0, 1.1, 0.9]])
    points = [fresh, *(point([value], [[value]]) for value in (1.2, 5.0))]
    near, far = verdicts(points, 0, smaller_is_better=True)[1:]
    assert not near.is_worse and far.is_worse
    q = studentized_range.ppf(0.95, 4, 2)
    assert far.needed == pytest.approx(q / math.sqrt(2) * 0.1 * math.sqrt(1 + 1 / 3), rel=1e-6)


def test_larger_may_be_better():
    points = [point([m, m + 0.01, m - 0.01], [[m, m + 0.01, m - 0.01]]) for m in (0.5, 0.9, 0.895)]
    found = verdicts(points, 1, smaller_is_better=False)
    assert [v.is_worse for v in found] == [True, False, False]
    assert found[0].worse_by == pytest.approx(0.4)


def test_a_worse_and_noisier_point_does_not_widen_the_bars_of_nearer_ones():
    quiet = [point([m, m + 0.1, m - 0.1], [[m, m + 0.1, m - 0.1]]) for m in (1.0, 2.0)]
    loud = point([90.0, 50.0, 130.0], [[90.0, 50.0, 130.0]])
    alone = verdicts(quiet, 0, smaller_is_better=True)[1]
    beside = verdicts([*quiet, loud], 0, smaller_is_better=True)[1]
    assert alone.is_worse and beside.is_worse
    assert beside.needed / alone.needed == pytest.approx(needed_errors(3, 4) / needed_errors(2, 4))


def trained(
    random: np.random.Generator, trainings: int, draws: int, between: float, within: float
) -> np.ndarray:
    """Draws of a point worth 0, (trainings, draws): each network is off by its own amount."""
    networks = between * random.standard_normal((trainings, 1))
    return networks + within * random.standard_normal((trainings, draws))


@pytest.mark.parametrize("trainings", [2, 3, 5])
def test_bars_over_trainings_cover_the_mean_and_bars_over_all_draws_do_not(trainings):
    """Draws of one training are not independent, though there are many of them."""
    random = np.random.default_rng([6, trainings])
    draws = [trained(random, trainings, 4, between=1.0, within=0.3) for _ in range(2000)]
    nested = [estimate(one.tolist()) for one in draws]
    naive = [estimate([one.ravel().tolist()]) for one in draws]
    covered, by_chance = (
        np.mean([abs(e.mean) < t.ppf(0.975, dof) * (e.error or 0) for e in found])
        for found, dof in ((nested, trainings - 1), (naive, 4 * trainings - 1))
    )
    assert covered == pytest.approx(0.95, abs=3 * math.sqrt(0.95 * 0.05 / 2000))
    assert by_chance < 0.8
    assert nested[0].mean == pytest.approx(naive[0].mean)
    assert nested[0][3:] == (4, trainings)


@pytest.mark.parametrize("search", [(3, 2), (1, 1), (1, 3)], ids=str)
@pytest.mark.parametrize("again", [(3, 2), (2, 1)], ids=str)
def test_what_trainings_differ_by_makes_no_findings(search, again):
    """Shapes are (trainings, draws); all points are equal, their networks are not.

    Where the search has one training of a point, those that are trained again tell the spread.
    """
    random = np.random.default_rng([*search, *again])
    studies, wrong = 250, 0
    for _ in range(studies):
        found = [trained(random, *search, between=0.3, within=0.3) for _ in range(10)]
        first = np.argsort([one.mean() for one in found])[:3].tolist()
        points = []
        for i, one in enumerate(found):
            fresh = [trained(random, *again, between=0.3, within=0.3)] if i in first else []
            groups = [group.tolist() for group in (one, *fresh)]
            points.append(Point(groups[-1], groups))
        judged = verdicts(points, first[0], smaller_is_better=True)
        wrong += any(v.is_worse or v.is_better for v in judged)
    assert wrong / studies < LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / studies)


def test_draws_of_one_training_each_would_find_what_is_not_there():
    """The law above is no empty one: the spread within networks alone breaks it."""
    random, wrong = np.random.default_rng(8), 0
    for _ in range(100):
        found = [trained(random, 3, 4, between=0.3, within=0.1) for _ in range(10)]
        points = [Point([one.ravel().tolist()], [[one.ravel().tolist()]]) for one in found]
        best = int(np.argmin([one.mean() for one in found]))
        wrong += any(v.is_worse for v in verdicts(points, best, smaller_is_better=True))
    assert wrong / 100 > 4 * LEVEL


def test_the_spread_of_trainings_is_that_of_so_many_draws():
    """sqrt(between^2 + within^2 / draws), whatever number of draws the groups have."""
    random = np.random.default_rng(9)
    groups = [trained(random, 4, 5, between=0.5, within=1.0).tolist() for _ in range(2000)]
    for draws in (1, 2, 5):
        spread = pooled(groups, draws)
        assert spread.std == pytest.approx(math.sqrt(0.25 + 1 / draws), rel=0.03)
        assert (spread.dof, spread.of_trainings) == (6000, True)
    assert pooled(groups, 50) == pooled(groups, 5)  # nothing is taken away


def test_large_differences_are_found_among_trainings():
    random = np.random.default_rng(10)
    found = [5 * i + trained(random, 3, 2, between=0.3, within=0.3) for i in range(4)]
    points = [Point(one.tolist(), [one.tolist()]) for one in found]
    judged = verdicts(points, 0, smaller_is_better=True)
    assert [v.is_worse for v in judged] == [False, True, True, True]
    assert not any(v.is_better for v in judged)


@pytest.mark.parametrize("count", [2, 5, 10])
def test_equal_runs_of_known_errors_are_told_apart_as_often_as_the_level_says(count) -> None:
    """Errors differ from run to run and are themselves estimates, as those of the jackknife."""
    random, dof, told = np.random.default_rng(count), 19, 0
    for _ in range(STUDIES):
        true = random.uniform(0.5, 2, count)
        values = 5 + true * random.standard_normal(count)
        errors = true * np.sqrt(random.chisquare(dof, count) / dof)
        runs = [Measured(*pair, dof) for pair in zip(values, errors, strict=True)]
        best = min(runs)
        told += any(
            measured_verdict(run, best, count, smaller_is_better=True).is_worse for run in runs
        )
    assert told / STUDIES <= LEVEL + TOLERANCE


def test_runs_far_apart_are_told_apart_in_the_right_direction() -> None:
    low, high = Measured(1.0, 0.1, 19), Measured(2.0, 0.1, 19)
    assert measured_verdict(high, low, 2, smaller_is_better=True).is_worse
    assert measured_verdict(low, high, 2, smaller_is_better=False).is_worse
    assert measured_verdict(low, high, 2, smaller_is_better=True).is_better
    near = Measured(1.25, 0.1, 19)
    assert not measured_verdict(near, low, 2, smaller_is_better=True).is_worse

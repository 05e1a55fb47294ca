"""What a study says in words follows from its numbers, and says no more than they do."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from ncsn.base.trial_record import TrialRecord
from ncsn.maths.told_apart import LEVEL
from ncsn.sweep.results.conclusions import conclusions, verdict_values
from ncsn.sweep.results.findings import theory_and_search
from ncsn.sweep.search.read import StudyData

FID, EVALUATIONS = "eval/fid", "sample/network_evaluations_per_image"
EPSILON = {"sampler.epsilon": {"type": "float", "low": 1e-6, "high": 1e-2, "log": True}}
SAMPLER = {"sampler.name": {"type": "categorical", "choices": ["als", "cas"]}}
FINDINGS = ("worse", "better", "is best", "can be told from every")
Draws = Sequence[Sequence[float]]


def study(
    draws: Draws,
    fresh: dict[int, Sequence[float]] | None = None,
    points: Sequence[dict[str, Any]] = (),
    axes: dict[str, Any] = EPSILON,
    keys: Sequence[str] = ("one",),
    costs: Sequence[float] = (),
    **attrs: Any,
) -> StudyData:
    """A study whose trial i has `draws[i]`, and `fresh[i]` later ones."""
    objectives = {FID: "minimize"} | ({EVALUATIONS: "minimize"} if costs else {})
    trials = [
        TrialRecord(
            number=i,
            state="complete",
            values={"sample.num_samples": 300},
            by_seed={FID: list(values)} if len(values) > 1 else {},
            train_key=keys[i % len(keys)],
            point=points[i] if points else {"sampler.epsilon": 1e-5 * 2**i},
            objectives=(float(np.mean(values)), *costs[i : i + 1]),
        )
        for i, values in enumerate(draws)
    ]
    noted = {
        str(i): {"seeds": [9], "num_samples": 300, "values": {FID: list(values)}}
        for i, values in (fresh or {}).items()
    }
    spec = {"objectives": objectives, "space": axes, "scientific": list(axes)}
    known = {"spec": spec, "confirmed": noted, "model": "oracle", **attrs}
    return StudyData("s", objectives, axes, known, tuple(trials), frozenset(), 0, 0)


def test_nothing_is_concluded_without_a_spread():
    data = study([[1.0], [2.0], [30.0]])
    lines = conclusions(data)
    assert lines[:2] == [
        "Each point was drawn once in the search.",
        "No spread is known, so nothing can be concluded from differences of points; raise draws, "
        "or budget.confirm and budget.confirm_draws.",
    ]
    assert lines[2] == (
        "The best is trial 0 (sampler.epsilon 1e-05): FID 1 in the search, which is too good: it "
        "is the best of 3."
    )
    assert len(lines) == 3 and verdict_values(data) == {}


def test_a_point_that_is_advised_and_present_stands_under_both_names():
    point = {"sampler.epsilon": 2e-5}
    data = study([[9.0, 9.1], [3.0, 3.1], [1.0, 1.1]], advised=point, present=point)
    found = theory_and_search(data)
    assert {name: trial["number"] for name, trial in found.items()} == {
        "advised": 1,
        "present": 1,
        "best": 2,
    }


def test_equal_points_show_no_effect():
    text = " ".join(conclusions(study([[1.0, 1.2, 0.9], [1.1, 0.9, 1.2], [1.3, 1.0, 1.0]])))
    effect = "None of the 2 other points can be told from it: the study shows no effect of"
    assert f"{effect} sampler.epsilon on FID." in text
    assert not any(word in text for word in FINDINGS)


def test_what_differs_is_named_with_the_difference_that_is_needed():
    data = study(
        [[1.0, 1.1, 0.9], [1.05, 1.15, 0.95], [9.0, 9.1, 8.9], [3.0, 3.1, 2.9]],
        {0: [1.2, 1.1, 1.3]},
        advised={"sampler.epsilon": 4e-5},
        present={"sampler.epsilon": 2e-5},
    )
    lines = conclusions(data)
    assert lines[0] == (
        "Each point was drawn 3 times in the search, 1 point again with fresh seeds. FID of one "
        "draw has the standard deviation 0.1, pooled with 6 degrees of freedom."
    )
    assert lines[1].endswith(
        "FID 1.2 +- 0.058 over 3 fresh draws; the search, which chose it, showed 1 +- 0.058."
    )
    assert lines[2] == (
        "1 of 3 other points cannot be told from it: trial 1; with the best they span "
        "sampler.epsilon 1e-05 to 2e-05."
    )
    assert lines[3].startswith(
        "2 points are worse, beyond the noise; the nearest is trial 3 (sampler.epsilon 8e-05) by "
        "1.8, where "
    )
    assert lines[4].startswith("The advised point, trial 2, is worse than the best by 7.8, where")
    assert lines[5] == "The present point, trial 1, cannot be told from the best."
    assert lines[6] == "+- is one standard error of the mean over a point's draws."
    assert verdict_values(data) == {0: False, 1: False, 2: True, 3: True}


def test_points_of_one_draw_borrow_the_spread_of_those_drawn_again():
    lines = conclusions(study([[0.8], [1.0], [9.0]], {0: [1.0, 1.1, 0.9]}))
    assert lines[0] == (
        "Each point was drawn once in the search, 1 point again with fresh seeds. No point of the "
        "search has a spread of its own. FID of one draw has the standard deviation 0.1, pooled "
        "with 2 degrees of freedom."
    )
    assert "1 point is worse, beyond the noise" in " ".join(lines)


def test_a_value_of_the_search_that_beats_the_confirmed_best_is_called_so():
    data = study([[1.0] * 2, [1.01, 1.02], [1.02, 1.02]], {0: [5.0, 5.01, 5.02]})
    text = " ".join(conclusions(data))
    assert "2 points are better in the search alone, beyond the noise; the nearest is" in text


@pytest.mark.parametrize(
    ("means", "words"),
    [
        ([1.0, 1.01, 9.0, 9.1], "sampler.name: als is best, each point of another choice is wor"),
        ([1.0, 9.0, 1.01, 9.1], "sampler.name: which of als, cas is best cannot be concluded."),
    ],
)
def test_choices_are_compared_by_their_best_points(means, words):
    names = ["als", "als", "cas", "cas"]
    points = [{"sampler.name": n, "sampler.epsilon": 1e-4 * i} for i, n in enumerate(names)]
    draws = [[m, m + 0.1, m - 0.1] for m in means]
    text = " ".join(conclusions(study(draws, points=points, axes=SAMPLER | EPSILON)))
    assert words in text


@pytest.mark.parametrize(
    ("model", "keys", "words"),
    [
        ("network", ["one"], "holds for the one network that all points share"),
        ("network", ["one", "two"], "have 2 networks, each trained once, and what differs may be"),
        ("oracle", ["one", "two"], None),
    ],
)
def test_it_says_that_another_training_was_not_measured(model, keys, words):
    text = " ".join(conclusions(study([[1.0, 1.1], [3.0, 3.1]], model=model, keys=keys)))
    assert (words or "+-") in text and ("another training" in text) == (words is not None)


def test_neighbours_on_a_front_are_compared():
    draws = [[1.0, 1.1, 0.9], [1.05, 1.15, 0.95], [9.0, 9.1, 8.9]]
    text = " ".join(conclusions(study(draws, costs=[300.0, 200.0, 100.0])))
    told = "1 of 2 pairs of neighbours on the front can be told apart by FID; not trial 0 from 1."
    assert told in text


def test_a_repeated_point_has_the_verdict_of_its_first_trial():
    points = [{"sampler.epsilon": e} for e in (1e-4, 2e-4, 2e-4)]
    data = study([[1.0, 1.1], [9.0, 9.1], [9.0, 9.1]], points=points)
    assert verdict_values(data) == {0: False, 1: True, 2: True}


def test_a_study_without_complete_trials_says_nothing():
    assert conclusions(study([])) == []


@pytest.mark.parametrize("draws", [1, 3])
def test_sentences_about_equal_points_find_something_no_more_often_than_the_level(draws):
    random, studies, found = np.random.default_rng(draws), 500, 0
    for _ in range(studies):
        search = 1 + 0.25 * random.standard_normal((12, draws))
        first = np.argsort(search.mean(1))[:3]
        fresh = {int(i): (1 + 0.25 * random.standard_normal(3)).tolist() for i in first}
        text = " ".join(conclusions(study(search.tolist(), fresh)))
        found += any(word in text for word in FINDINGS)
    assert found / studies < LEVEL + 3 * math.sqrt(LEVEL * (1 - LEVEL) / studies)

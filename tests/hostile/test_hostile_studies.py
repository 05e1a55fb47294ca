"""Hostile study files: they work, or one line says what is wrong, before any trial."""

from pathlib import Path
from typing import Any

import pytest

from ncsn.base.errors import UserError
from ncsn.base.yaml_file import read_yaml
from ncsn.sweep.studies.plan import grid_points, made_plan
from ncsn.sweep.studies.study import checked_spec, load_spec

from .hostile_values import VALUES, broken_files, places, replaced

ROOT = Path(__file__).parents[2]
PARAMS = read_yaml(ROOT / "params.yaml")
NAMES = ["epsilon", "als_vs_cas", "learning_rate"]
STUDIES = {name: read_yaml(ROOT / "studies" / f"{name}.yaml") for name in NAMES}
FILES = broken_files((ROOT / "studies" / "epsilon.yaml").read_text())
LONGEST = 450


def planned(spec: Any) -> None:
    """Makes the plan of the first size, all points of a grid and the verdict on some of them."""
    checked = checked_spec(spec, "studies/x.yaml")
    plan = made_plan("x", checked, next(iter(checked.sizes)), "network", PARAMS)
    points = grid_points(plan)[:3] if checked.sampler.name == "grid" else []
    for point in points:
        plan.objection(plan.values(point))


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_value_is_taken_or_refused_in_one_line(name):
    spec = STUDIES[name]
    refused = 0
    tried = [(p, v) for p in places(spec) if "cifar10" not in p for v in VALUES.values()]
    for place, value in tried:
        try:
            planned(replaced(spec, place, value))
        except UserError as error:
            refused += 1
            message = str(error)
            assert message.startswith("studies/x.yaml: ") and "\n" not in message
            assert len(message) < LONGEST, message
    assert len(tried) > 700 and refused > 0.7 * len(tried), (len(tried), refused)


@pytest.mark.parametrize("name", FILES)
def test_a_broken_file_is_refused_in_one_line_and_stays(name, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(FILES[name])
    with pytest.raises(UserError) as caught:
        load_spec("mine", tmp_path)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message
    assert path.read_bytes() == FILES[name]


@pytest.mark.parametrize(
    "place, value, words",
    [
        (("space", "sampler.epsilon", "tied"), {"model.name": 1.0}, "must have a positive number"),
        (("space", "sampler.epsilon", "tied"), {"noise.sigma_min": 1e9}, "must be at most 10"),
        (("space", "sampler.epsilon", "when"), {"model.name": "ncsm"}, "Did you mean 'ncsn'"),
        (("space", "sampler.epsilon", "points"), 10**9, "must be at most 10000"),
        (("sizes", "digits", "budget", "trials"), 10**9, "must be at most 1000000"),
        (("pruner",), {"name": "median", "metric": "val/los"}, "Did you mean 'val/loss'"),
    ],
)
def test_the_message_names_the_nearest_choice_or_bound(place, value, words):
    with pytest.raises(UserError) as caught:
        planned(replaced(STUDIES["epsilon"], place, value))
    assert words in str(caught.value)


def test_a_grid_of_too_many_points_is_refused_before_it_is_made():
    axis = {"type": "float", "low": 1e-6, "high": 1e-3, "log": True, "points": 10_000}
    spec = {
        **STUDIES["epsilon"],
        "scientific": ["sampler.epsilon", "noise.sigma_min"],
        "space": {
            "sampler.epsilon": axis,
            "noise.sigma_min": {**axis, "low": 0.005, "high": 0.02},
        },
        "nuisance": [],
        "sampler": {"name": "grid"},
    }
    with pytest.raises(UserError, match="a grid must have at most 100000 points, its axes make"):
        planned(spec)

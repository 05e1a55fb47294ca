"""The studies that come with the project keep every rule, at each size and with both models."""

from pathlib import Path

import pytest

from ncsn.base.errors import UserError
from ncsn.sweep.search.first_points import present_point
from ncsn.sweep.studies.plan import grid_points, load_plan
from ncsn.sweep.studies.study import load_spec, study_names

ROOT = Path(__file__).parents[2]
NAMES = study_names(ROOT / "studies")
PARAMETERS = {"sigma_max", "sigma_min", "num_levels", "epsilon", "steps_per_level"}
TRAINING = {"learning_rate", "recipe"}  # have axes of the training alone
OTHERS = {"joint", "joint_amortised", "quality_vs_cost", "denoise", "als_vs_cas"}


def test_all_are_there():
    assert PARAMETERS | OTHERS | {"ncsnv2_leave_out"} <= set(NAMES)


@pytest.mark.parametrize(
    "name, size, model",
    [
        (name, size, model)
        for name in NAMES
        for size in load_spec(name, ROOT / "studies").sizes
        for model in ("network", "oracle")
        if model == "network" or name not in TRAINING
    ],
)
def test_a_grid_point_or_the_present_one_can_run(name, size, model):
    plan = load_plan(name, size, model, ROOT)
    if plan.spec.sampler.name == "grid":
        points = grid_points(plan)
        assert len(points) <= plan.budget.trials
        runnable = [plan.objection(plan.values(point)) for point in points]
        assert runnable == [None] * len(points)
    elif size == "digits":
        assert plan.objection(plan.values(present_point(plan))) is None


@pytest.mark.parametrize("name", sorted(TRAINING))
def test_axes_of_the_training_say_nothing_of_the_exact_score(name):
    with pytest.raises(UserError, match="run it with --model network"):
        load_plan(name, "digits", "oracle", ROOT)


@pytest.mark.parametrize("name", ["epsilon", "steps_per_level", "epsilon_and_steps", "denoise"])
def test_only_sampling_changes(name):
    spec = load_spec(name, ROOT / "studies")
    assert all(key.startswith("sampler.") for key in spec.space)


@pytest.mark.parametrize("name", sorted(PARAMETERS | {"ncsnv2_leave_out"}))
def test_the_exact_score_of_cifar10_trains_nothing_and_names_itself(name):
    plan = load_plan(name, "cifar10_exact", root=ROOT)
    assert plan.model == "oracle" and plan.name == f"{name}-cifar10_exact-oracle"
    assert plan == load_plan(name, "cifar10_exact", "oracle", ROOT)
    assert {plan.values(point)["model.name"] for point in grid_points(plan)} == {"oracle"}
    assert plan.draws >= 2 and plan.fixed["reference.feature_layer"] == "768"


def test_epsilon_follows_the_square_of_sigma_min():
    plan = load_plan("sigma_min", "digits", "network", ROOT)
    values = [plan.values(point) for point in grid_points(plan)]
    relative = [v["sampler.epsilon"] / v["noise.sigma_min"] ** 2 for v in values]
    assert relative == pytest.approx([1.0] * len(relative), rel=1e-4)

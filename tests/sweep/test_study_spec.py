"""Study files: every mistake is named by file, key, value and rule; spaces do what they say."""

import copy
import json
from pathlib import Path
from typing import Any

import optuna
import pytest

from ncsn.base.errors import UserError
from ncsn.base.trial_record import TrialRecord
from ncsn.base.yaml_file import read_yaml
from ncsn.sweep.search.points import built_pruner, built_sampler, suggested_point
from ncsn.sweep.studies.plan import Plan, grid_points, made_plan
from ncsn.sweep.studies.space import grid_values, projected
from ncsn.sweep.studies.study import PrunerSpec, SamplerSpec, Spec, checked_spec, load_spec

ROOT = Path(__file__).parents[2]
PARAMS = read_yaml(ROOT / "params.yaml")
SPEC: dict[str, Any] = {
    "purpose": "How the chain matters.",
    "objectives": {"eval/fid": "minimize"},
    "scientific": ["sampler.name", "sampler.steps_per_level"],
    "nuisance": ["sampler.epsilon"],
    "space": {
        "sampler.name": {
            "type": "categorical",
            "choices": ["annealed_langevin", "consistent_annealed"],
        },
        "sampler.steps_per_level": {
            "type": "int",
            "low": 2,
            "high": 20,
            "log": True,
            "points": 3,
            "when": {"sampler.name": "annealed_langevin"},
            "otherwise": 1,
        },
        "sampler.epsilon": {"type": "float", "low": 1e-5, "high": 1e-3, "log": True, "points": 3},
    },
    "sampler": {"name": "tpe", "seed": 3},
    "sizes": {
        "digits": {
            "preset": "digits",
            "fixed": {"train.num_steps": 100},
            "budget": {"trials": 12, "hours": 1},
        }
    },
}


def _changed(path: str, value: Any) -> dict[str, Any]:
    spec = copy.deepcopy(SPEC)
    *parents, last = path.split("/")
    part = spec
    for name in parents:
        part = part[name]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return spec


def _plan(spec: dict[str, Any] = SPEC, model: str = "network") -> Plan:
    return made_plan("chain", checked_spec(spec, "studies/chain.yaml"), "digits", model, PARAMS)


EPSILON, BUDGET = "space/sampler.epsilon", "sizes/digits/budget"


@pytest.mark.parametrize(
    "path, value, message",
    [
        ("purpos", "x", r"purpos \(value 'x'\): no such key. Did you mean 'purpose'"),
        ("purpose", None, "purpose: missing"),
        ("seeds", 3, r"seeds \(value 3\): no such key; it is named draws now"),
        ("draws", 0, r"draws \(value 0\): must be greater than or equal to 1"),
        ("draws", 1.5, r"draws \(value 1.5\): must be a"),
        ("trainings", 0, r"trainings \(value 0\): must be greater than or equal to 1"),
        ("trainings", 101, r"trainings \(value 101\): must be at most 100"),
        ("sizes/digits/trainings", -1, r"sizes.digits.trainings \(value -1\): must be greater"),
        ("sizes/digits/draws", 0, r"sizes.digits.draws \(value 0\): must be greater"),
        (f"{BUDGET}/confirm_trainings", 0, r"budget.confirm_trainings \(value 0\): must be gr"),
        (f"{BUDGET}/confirm", -1, r"digits.budget.confirm \(value -1\): must be greater than or"),
        (f"{BUDGET}/confirm", 13, r"budget.confirm \(value 13\): must be at most 12, the number"),
        (f"{BUDGET}/confirm_draws", 0, r"budget.confirm_draws \(value 0\): must be greater than"),
        ("sampler/name", "tpa", r"sampler.name \(value 'tpa'\): must be 'grid'.*'tpe'"),
        (f"{EPSILON}/type", "flot", r"sampler.epsilon.type \(value 'flot'\).*'float'"),
        (f"{EPSILON}/hig", 1, r"space.sampler.epsilon.hig \(value 1\): no such key.*'high'"),
        (f"{EPSILON}/high", 1e-6, "space.sampler.epsilon.high: must be larger than low"),
        (f"{EPSILON}/low", 0, "space.sampler.epsilon.low: must be positive on a log axis"),
        (
            f"{EPSILON}/low",
            "a",
            r"space.sampler.epsilon.low \(value 'a'\): must be a valid number",
        ),
        ("objectives/eval/fi", "minimize", None),
        ("scientific", ["sampler.name"], "space.sampler.steps_per_level: must be in one of"),
        ("nuisance", ["sampler.epsilom"], "nuisance: 'sampler.epsilom' is no axis.*epsilon'"),
        ("sizes/digits/budget/trials", 0, r"sizes.digits.budget.trials \(value 0\)"),
        ("sizes/digits/preset", "digit", r"sizes.digits.preset \(value 'digit'\).*'digits'"),
        ("sizes/digits/fixed/train.num_step", 5, "no key 'train.num_step'. Did you mean 'train"),
        ("sizes/digits/fixed/train.num_steps", "many", r"fixed.train.num_steps \(value 'many'\)"),
        ("space/sampler.name/choices", ["annealed"], r"choices \(value 'annealed'\): must be"),
        (
            "space/sampler.steps_per_level/log",
            "yes",
            r"level.log \(value 'yes'\): must be a valid b",
        ),
        ("space/sampler.epsilon/high", float("inf"), r"epsilon.high \(value inf\): must be a fin"),
        ("space/sampler.steps_per_level/otherwise", 0, r"steps_per_level.otherwise \(value 0\)"),
        ("space/sampler.steps_per_level/when", {"sampler.nam": 1}, "no key 'sampler.nam'"),
        ("space/sampler.name/when", {"sampler.epsilon": 1.0}, "must be an axis that stands befo"),
        (f"{EPSILON}/tied", {"sampler.name": 1.0}, "sampler.name is already set by the axis"),
    ],
)
def test_a_mistake_is_named(path, value, message):
    if message is None:
        spec, message = _changed("objectives", {"eval/fi": "minimize"}), "objectives.eval/fi: must"
    else:
        spec = _changed(path, value)
    with pytest.raises(UserError, match=message) as caught:
        _plan(spec)
    assert str(caught.value).startswith("studies/chain.yaml: ")
    assert "\n" not in str(caught.value)


def test_unknown_studies_and_sizes_name_the_nearest():
    with pytest.raises(UserError, match="no study 'epsilom'.*'epsilon'"):
        load_spec("epsilom", ROOT / "studies")
    with pytest.raises(
        UserError, match="no size 'digit'; there are digits. Did you mean 'digits'"
    ):
        made_plan("chain", checked_spec(SPEC, "x"), "digit", "network", PARAMS)


def test_pruning_needs_one_minimised_objective():
    spec = _changed("objectives", {"eval/fid": "minimize", "eval/recall": "maximize"})
    with pytest.raises(UserError, match="pruner.name: pruning needs one objective"):
        checked_spec({**spec, "pruner": {"name": "median"}}, "x")


def test_an_axis_is_there_only_under_its_condition():
    plan = _plan()
    trial = optuna.trial.FixedTrial(
        {"sampler.name": "consistent_annealed", "sampler.epsilon": 1e-4}
    )
    point = suggested_point(trial, plan.space, plan.fixed)
    assert set(point) == {"sampler.name", "sampler.epsilon"}
    assert plan.values(point)["sampler.steps_per_level"] == 1
    assert plan.objection(plan.values(point)) is None


def test_a_grid_leaves_inactive_axes_out_and_spreads_from_the_ends():
    points = grid_points(_plan())
    assert len(points) == 3 * 3 + 3
    assert points[0]["sampler.epsilon"] == 1e-5
    assert {p["sampler.epsilon"] for p in points} == {1e-5, 1e-4, 1e-3}
    assert {p.get("sampler.steps_per_level") for p in points} == {2, 6, 20, None}


def test_grid_values_have_both_ends_and_three_digits():
    axis = _plan(_changed(f"{EPSILON}/points", 4)).space["sampler.epsilon"]
    assert grid_values(axis) == [1e-5, 4.64e-5, 2.15e-4, 1e-3]


def test_values_are_clipped_to_the_space_and_unknown_choices_have_no_place():
    plan = _plan()
    values = {**plan.fixed, "sampler.epsilon": 1.0, "sampler.steps_per_level": 1}
    point = projected(values, plan.space, plan.fixed)
    assert point == {
        "sampler.name": "annealed_langevin",
        "sampler.steps_per_level": 2,
        "sampler.epsilon": 1e-3,
    }
    assert projected({**values, "sampler.name": "other"}, plan.space, plan.fixed) is None


def test_a_bundle_sets_its_keys_together():
    space = {
        "ladder": {
            "type": "bundle",
            "choices": {
                "short": {"noise.num_levels": 5, "sampler.epsilon": 2e-4},
                "long": {"noise.num_levels": 20, "sampler.epsilon": 5e-5},
            },
        }
    }
    plan = _plan({**SPEC, "space": space, "scientific": ["ladder"], "nuisance": []})
    values = plan.values({"ladder": "long"})
    assert (values["noise.num_levels"], values["sampler.epsilon"]) == (20, 5e-5)
    assert projected(values, plan.space, plan.fixed) == {"ladder": "long"}
    assert values["train.num_steps"] == 100


def test_the_oracle_is_the_same_study_with_another_model():
    plan = _plan(model="oracle")
    assert plan.name == "chain-digits-oracle"
    assert plan.values({})["model.name"] == "oracle"
    assert plan.deciding() == _plan().deciding()


def test_the_users_own_values_stand_above_those_of_the_size():
    settings = {"data.name": "npz", "data.path": "/my/images.npz", "train.num_steps": 70}
    plan = made_plan("chain", checked_spec(SPEC, "x"), "digits", "network", PARAMS, settings)
    values = plan.values({"sampler.name": "consistent_annealed", "sampler.epsilon": 1e-4})
    assert {key: values[key] for key in settings} == settings
    assert plan.deciding()["fixed.data.path"] == "/my/images.npz"


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("data.pth", "x", r"--set data\.pth: params\.yaml has no key.*Did you mean 'data\.path'"),
        ("sampler.epsilon", 1e-4, r"--set sampler\.epsilon \(value 0\.0001\): the axis"),
        ("model.name", "ncsn", r"--set model\.name \(value 'ncsn'\): --model sets it"),
        ("data.num_train", 0, r"--set data\.num_train \(value 0\): "),
        ("data.num_train", [1], r"--set data\.num_train \(value \[1\]\): "),
        ("data.name", "npz", r"--set data\.path \(value None\): must be set for data\.name 'npz'"),
    ],
)
def test_a_users_mistake_is_named(key, value, message):
    with pytest.raises(UserError, match=message):
        made_plan("chain", checked_spec(SPEC, "x"), "digits", "oracle", PARAMS, {key: value})


@pytest.mark.parametrize("name", ["tpe", "gp", "qmc", "random", "nsga2", "grid"])
def test_workers_draw_different_first_points(name):
    study = optuna.create_study()
    drawn = []
    for worker in (0, 1):
        study.sampler = built_sampler(SamplerSpec(name=name), worker, 0)
        drawn.append(study.ask().suggest_float("x", 0.0, 1.0))
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("name", ["none", "median", "percentile", "hyperband"])
def test_every_pruner_can_be_built(name):
    assert isinstance(built_pruner(PrunerSpec(name=name)), optuna.pruners.BasePruner)


def test_specs_and_records_are_json():
    spec = checked_spec(SPEC, "x")
    assert Spec.model_validate(json.loads(json.dumps(spec.model_dump(mode="json")))) == spec
    assert json.dumps(TrialRecord(0, "running", seeds=(1,)).as_attrs())

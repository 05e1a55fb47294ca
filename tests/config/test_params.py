"""params.yaml: every mistake is named with file, key, value, rule and the nearest valid key."""

from pathlib import Path

import pytest

from ncsn.base.errors import UserError
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import checked_params, known_keys, load_params

ROOT = Path(__file__).parents[2]
VALUES = read_yaml(ROOT / "params.yaml")


def _with(key: str, value: object) -> dict:
    section, name = key.split(".")
    return {**VALUES, section: {**VALUES[section], name: value}}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("noise.sigma_mx", 1.0, ["noise.sigma_mx", "1.0", "no such key", "'noise.sigma_max'"]),
        ("train.num_steps", 0, ["train.num_steps", "0", "greater than or equal to 1"]),
        ("train.num_steps", 10.5, ["train.num_steps", "10.5", "integer"]),
        ("toy.objectives_dims", [8, 2], ["objectives_dims", "larger than the one before"]),
        ("toy.objectives_dims", [], ["toy.objectives_dims", "at least one"]),
        ("sampler.epsilon", "2e-05", ["sampler.epsilon", "'2e-05'", "number"]),
        ("sampler.epsilon", float("inf"), ["sampler.epsilon", "inf", "finite"]),
        ("sampler.epsilon", True, ["sampler.epsilon", "True", "number"]),
        ("train.ema_decay", 1.0, ["train.ema_decay", "1.0", "less than 1"]),
        ("data.name", "fasion_mnist", ["data.name", "'fasion_mnist'", "'fashion_mnist'"]),
        ("data.name", "npz", ["data.path", "must be set", "npz"]),
        ("noise.sigma_min", 2.0, ["noise.sigma_max", "1.0", "larger than noise.sigma_min"]),
        ("noise.num_levels", 1, ["noise.sigma_max", "must equal"]),
        ("reference.feature_layer", "768", ["reference.feature_layer", "'768'", "128"]),
        ("train.frechet_samples", 1, ["train.frechet_samples", "must be 0 (off) or at least 2"]),
        ("base.device", "gpu", ["base.device", "'gpu'"]),
    ],
)
def test_a_broken_rule_names_file_key_value_and_rule(key, value, words):
    with pytest.raises(UserError) as error:
        checked_params(_with(key, value), "params.yaml")
    assert str(error.value).startswith("params.yaml: ")
    assert all(word in str(error.value) for word in words), error.value


def test_the_step_of_consistent_annealing_must_suit_the_ladder():
    consistent = {"name": "consistent_annealed", "steps_per_level": 1}
    values = {**VALUES, "sampler": {**VALUES["sampler"], **consistent, "epsilon": 2e-5}}
    with pytest.raises(UserError, match=r"sampler.epsilon \(value 2e-05\): must lie between 8.01"):
        checked_params(values)
    values["sampler"]["epsilon"] = 1e-4
    assert checked_params(values).sampler.epsilon == 1e-4
    values["sampler"]["steps_per_level"] = 2
    with pytest.raises(UserError, match=r"sampler.steps_per_level \(value 2\): must be 1"):
        checked_params(values)


def test_a_missing_key_and_an_unknown_section_are_named():
    missing = {**VALUES, "noise": {"sigma_max": 1.0, "sigma_min": 0.01}}
    with pytest.raises(UserError, match=r"noise\.num_levels: missing"):
        checked_params(missing)
    with pytest.raises(UserError, match=r"nois .*no such key.*'noise'"):
        checked_params({**VALUES, "nois": {}})


def test_all_mistakes_are_told_at_once():
    values = _with("train.num_steps", -1)
    values["sampler"] = {**values["sampler"], "epsilon": -1.0}
    with pytest.raises(UserError) as error:
        checked_params(values)
    assert "train.num_steps" in str(error.value) and "sampler.epsilon" in str(error.value)


def test_a_section_not_asked_for_does_not_exist_and_none_can_be_changed():
    params = load_params("noise", path=ROOT / "params.yaml")
    assert params.noise.num_levels == VALUES["noise"]["num_levels"]
    with pytest.raises(AttributeError):
        _ = params.train
    with pytest.raises(ValueError, match="frozen"):
        params.noise.num_levels = 3


def test_a_mistake_in_a_section_not_asked_for_stops_the_run_too(tmp_path):
    text = (ROOT / "params.yaml").read_text().replace("num_steps: ", "num_steps: -", 1)
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(UserError, match="train.num_steps"):
        load_params("noise", path=tmp_path / "params.yaml")


def test_floats_as_dvc_writes_them_are_floats(tmp_path):
    # DVC dumps YAML 1.2: `2e-05`, which a YAML 1.1 reader takes for a string
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("epsilon: 1.0e-04", "epsilon: 2e-05"))
    assert load_params("sampler", path=tmp_path / "params.yaml").sampler.epsilon == 2e-05


def test_known_keys_are_those_of_the_file():
    assert sorted(known_keys()) == sorted(
        f"{s}.{key}" for s, keys in VALUES.items() for key in keys
    )


def test_a_file_that_is_missing_or_no_yaml_is_named(tmp_path):
    with pytest.raises(UserError, match="params.yaml is missing"):
        load_params("noise", path=tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("a: [")
    with pytest.raises(UserError, match="not valid YAML"):
        load_params("noise", path=tmp_path / "params.yaml")

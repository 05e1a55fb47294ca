"""Presets: valid, reversible to the byte, and harmless when something is wrong."""

import shutil
from pathlib import Path

import pytest

from ncsn.base.errors import UserError
from ncsn.base.yaml_file import end_comment, read_commented
from ncsn.config.params import load_params
from ncsn.config.preset import DEFAULT, FOLDER, apply_preset, preset_names

ROOT = Path(__file__).parents[2]


@pytest.fixture
def params_file(tmp_path):
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path))


def test_the_shipped_params_are_the_default_preset(params_file):
    assert apply_preset(DEFAULT, params_file) == []
    assert params_file.read_bytes() == (ROOT / "params.yaml").read_bytes()


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_valid_and_the_way_back_restores_every_byte(name, params_file):
    apply_preset(name, params_file)
    load_params("data", path=params_file)
    apply_preset(DEFAULT, params_file)
    assert params_file.read_bytes() == (ROOT / "params.yaml").read_bytes()


@pytest.mark.parametrize("name", preset_names())
def test_every_key_that_a_preset_sets_is_one_of_the_default(name):
    """Otherwise the way back would leave it, or its comment, behind."""
    default = read_commented(FOLDER / f"{DEFAULT}.yaml")
    for section, values in read_commented(FOLDER / f"{name}.yaml").items():
        for key in values:
            assert key in default[section]
            if end_comment(values, key):
                assert end_comment(default[section], key), f"{section}.{key}"


def test_published_settings(params_file):
    apply_preset("cifar10", params_file)
    params = load_params("noise", "model", "train", "sampler", path=params_file)
    assert (params.noise.sigma_max, params.noise.sigma_min, params.noise.num_levels) == (
        1,
        0.01,
        10,
    )
    assert params.sampler.epsilon == 2 * 2e-5  # twice the released code's step_lr
    assert "2.0e-05" in params_file.read_text()  # the paper's own value stands in a comment
    assert params.sampler.steps_per_level == 100
    assert (params.train.num_steps, params.train.batch_size) == (200_000, 128)
    assert params.train.random_flip and params.model.base_channels == 128


def test_the_users_own_values_and_comments_stay(params_file):
    text = (
        params_file.read_text()
        .replace("device: auto", "device: cpu")
        .replace("root: raw", "root: /data")
    )
    params_file.write_text("# mine\n" + text)
    apply_preset("mnist", params_file)
    after = params_file.read_text()
    assert after.startswith("# mine\n") and "device: cpu" in after and "root: /data" in after


def test_a_wrong_name_changes_nothing(params_file):
    before = params_file.read_bytes()
    with pytest.raises(UserError, match="Did you mean 'cifar10'"):
        apply_preset("cifar", params_file)
    assert params_file.read_bytes() == before

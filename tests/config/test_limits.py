"""Sizes that the data cannot meet are told before training; an unstable step is said aloud."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ncsn.base.errors import UserError
from ncsn.base.yaml_file import read_yaml
from ncsn.config.limits import check_counts, unstable_step
from ncsn.config.params import checked_params
from ncsn.config.preset import apply_preset, preset_names, write_values

ROOT = Path(__file__).parents[2]
DIGITS = (1438, 359, (8, 8, 1))


@pytest.fixture
def params_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(ROOT / "params.yaml", tmp_path))


def step(sigma_min: float, epsilon: float) -> str | None:
    values = read_yaml(ROOT / "params.yaml")
    values["noise"]["sigma_min"], values["sampler"]["epsilon"] = sigma_min, epsilon
    params = checked_params(values)
    return unstable_step(params.noise, params.sampler)


def test_the_default_fits_its_data(params_file, capsys):
    check_counts(*DIGITS)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "key, value, most",
    [
        ("evaluate.kid_subset_size", 360, "at most 359, the 359 images of the test split"),
        ("evaluate.prc_neighborhood", 359, "at most 358, less than the 359 images"),
        ("evaluate.floor_images", 1439, "at most 1438, the images of the train split"),
        ("illustrate.num_inpainted", 360, "at most 359, the images of the test split"),
        ("neighbours.num_neighbours", 1439, "at most 1438, the images of the train split"),
    ],
)
def test_a_size_above_the_count_is_named_with_the_most_that_the_data_allow(
    key, value, most, params_file
):
    write_values({key: value - 1}, params_file)
    check_counts(*DIGITS)
    write_values({key: value}, params_file)
    with pytest.raises(UserError) as caught:
        check_counts(*DIGITS)
    assert f"params.yaml: {key} (value {value}): must be {most}" in str(caught.value)


def test_a_floor_of_fewer_images_than_are_generated_is_told_at_the_start(params_file, capsys):
    write_values({"sample.num_samples": 1438}, params_file)
    check_counts(*DIGITS)
    assert capsys.readouterr().err == ""
    write_values({"sample.num_samples": 1439}, params_file)
    check_counts(*DIGITS)
    told = capsys.readouterr().err
    assert (
        "sample.num_samples (value 1439) is more than the 1438 images of the train split" in told
    )
    assert "the matched floor is taken at 1438" in told
    for asked in ({"evaluate.floor_images": 1000}, {"evaluate.floor_subsets": 0}):
        write_values(asked, params_file)
        check_counts(*DIGITS)
        assert capsys.readouterr().err == ""
        write_values({"evaluate.floor_images": None, "evaluate.floor_subsets": 20}, params_file)
    write_values({"reference.split": "train", "sample.num_samples": 360}, params_file)
    check_counts(*DIGITS)
    assert "more than the 359 images of the test split" in capsys.readouterr().err


def test_the_split_that_counts_is_the_reference(params_file):
    write_values({"reference.split": "train", "evaluate.kid_subset_size": 500}, params_file)
    check_counts(*DIGITS)


def test_images_too_large_for_a_covariance_of_pixels_are_told_with_all_that_ask_for_it(
    params_file,
):
    write_values({"train.frechet_samples": 10}, params_file)
    check_counts(1438, 359, (64, 64, 1))
    with pytest.raises(UserError) as caught:
        check_counts(1438, 359, (65, 64, 1))
    assert len(str(caught.value).splitlines()) == 2
    assert "reference.pixel_frechet (value true)" in str(caught.value)
    assert "train.frechet_samples (value 10)" in str(caught.value)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_fits_its_data(name, params_file):
    """The paper's presets once asked the oracle for 500 images and KID for subsets of 1000."""
    apply_preset(name, params_file)
    check_counts(50_000, 10_000, (32, 32, 3)) if name != "digits" else check_counts(*DIGITS)


def test_the_bound_is_that_of_the_chain_itself():
    """x <- (1 - alpha / (2 s^2)) x + noise grows without end once the factor leaves [-1, 1]."""
    s = 0.01
    for ratio in (0.1, 1.0, 3.9, 4.0, 4.1, 40.0):
        diverges = abs(1 - ratio / 2) >= 1
        assert (step(s, ratio * s**2) is not None) == diverges, ratio


def test_an_unstable_step_is_a_notice_and_no_error(params_file, capsys):
    write_values({"sampler.epsilon": 5e-4}, params_file)
    check_counts(*DIGITS)
    line = capsys.readouterr().err
    assert line.startswith("notice: sampler.epsilon (value 0.0005) is not below 4 noise.sigma_min")
    assert line.count("\n") == 1 and "0.0004" in line


@pytest.mark.slow
def test_prepare_tells_it_and_leaves_nothing(params_file):
    write_values({"evaluate.kid_subset_size": 400}, params_file)
    (params_file.parent / "dvc.yaml").symlink_to(ROOT / "dvc.yaml")
    command = [sys.executable, str(ROOT / "pipeline" / "prepare.py")]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 2
    assert "evaluate.kid_subset_size (value 400): must be at most 359" in done.stderr
    assert sorted(os.listdir(params_file.parent)) == ["dvc.yaml", "params.yaml"]


@pytest.mark.parametrize("name", ["prepare", "reference", "train"])
def test_the_early_stages_ask(name):
    """`train` does not depend on the section evaluate, and yet it must not run for nothing."""
    assert "    check_counts(" in (ROOT / "pipeline" / f"{name}.py").read_text()

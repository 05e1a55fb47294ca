"""Techniques 1, 2 and 4 of NCSNv2: the published ladders and step sizes, laws, and the command."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import pytest
import torch

from ncsn.base.errors import UserError
from ncsn.base.rng import generator
from ncsn.config.params import load_params
from ncsn.config.preset import apply_preset
from ncsn.maths.samplers.annealing import sample
from ncsn.maths.samplers.langevin import annealed_langevin
from ncsn.maths.techniques import (
    OVERLAP,
    PUBLISHED_OVERLAP,
    Settings,
    advised_epsilon,
    advised_num_levels,
    advised_settings,
    diagnosis,
    ladder_ratio,
    level_overlap,
    released_step,
    variance_ratio,
)

ROOT = Path(__file__).parents[2]
NO_DISTANCE = {"max": 0.0, "median": 0.0, "num_points": 2}

# size, sigma_max, levels, steps, the released step, its variance / sigma^2, the best step
PUBLISHED = [
    (32, 50, 232, 5, 6.2e-6, 1.056, 6.18e-6),
    (64, 90, 500, 5, 3.3e-6, 1.031, 3.34e-6),
    (96, 140, 788, 4, 4.9e-6, 1.025, 2.31e-6),
    (128, 190, 1086, 3, 1.8e-6, 1.017, 1.77e-6),
    (256, 348, 2311, 3, 9e-7, 1.009, 8.93e-7),
]


@pytest.mark.parametrize(
    ("size", "sigma_max", "levels", "steps", "step", "var", "best"), PUBLISHED
)
def test_published_settings(size, sigma_max, levels, steps, step, var, best):
    ratio = ladder_ratio(sigma_max, 0.01, levels)
    assert 0.566 <= level_overlap(ratio, 3 * size**2) < 0.567
    assert variance_ratio(2 * step, 0.01, ratio, steps) == pytest.approx(var, abs=1e-3)
    assert float(f"{released_step(advised_epsilon(0.01, ratio, steps)):.3g}") == best


@pytest.mark.parametrize("row", PUBLISHED)
def test_the_published_number_of_levels_is_that_of_their_overlap(row):
    size, sigma_max, levels, *_ = row
    advised = advised_num_levels(sigma_max, 0.01, 3 * size**2, PUBLISHED_OVERLAP)
    assert levels - 1 <= advised <= levels  # 2310 for FFHQ, the others to the level


def test_the_original_ladder_has_no_overlap_and_ends_levels_too_wide():
    ratio = ladder_ratio(1, 0.01, 10)
    assert level_overlap(ratio, 3072) < 1e-6
    assert variance_ratio(4e-5, 0.01, ratio, 100) == pytest.approx(1.111, abs=1e-3)  # released
    assert variance_ratio(2e-5, 0.01, ratio, 100) == pytest.approx(1.053, abs=1e-3)  # the paper


def test_mnist():
    assert level_overlap(1.0820, 28 * 28) == pytest.approx(0.5, abs=2e-3)
    assert advised_settings(16.0, 28 * 28, 2) == Settings(16.0, 0.01, 95, 2.7e-5, 2)


def test_levels_are_the_fewest_that_reach_the_target():
    for target in (0.1, OVERLAP, 0.9):
        levels = advised_num_levels(50, 0.01, 3072, target)
        fewer, enough = (
            level_overlap(ladder_ratio(50, 0.01, n), 3072) for n in (levels - 1, levels)
        )
        assert fewer < target <= enough


def test_overlap_is_the_share_of_radii_within_three_deviations_of_the_level_before():
    dim, ratio = 784, 1.08
    radii = torch.randn((4000, dim), generator=generator("radii")).norm(dim=1)
    inside = (radii - ratio * dim**0.5).abs() < 3 * ratio / 2**0.5
    assert level_overlap(ratio, dim) == pytest.approx(float(inside.float().mean()), abs=0.04)


@pytest.mark.parametrize("ratio", [1.01, 1.3, 4.0])
def test_the_best_epsilon_for_one_step_is_known_in_closed_form(ratio):
    expected = 2 * 0.1**2 * (1 - ratio**-2)
    assert advised_epsilon(0.1, ratio, 1) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 5, 100])
@pytest.mark.parametrize("ratio", [1.005, 1.08, 1.7])
def test_no_other_epsilon_comes_closer(steps, ratio):
    best = advised_epsilon(0.01, ratio, steps)
    least = variance_ratio(best, 0.01, ratio, steps)
    assert 1 < least < ratio**2
    for factor in (0.01, 0.3, 0.9, 0.99, 1.01, 1.1, 3):
        assert variance_ratio(factor * best, 0.01, ratio, steps) > least


def test_variance_ratio_is_that_of_annealed_langevin_on_a_point():
    """In Algorithm 1's convention: half or twice the epsilon would miss it."""
    sigmas, epsilon, steps = torch.tensor([1.3, 1.0], dtype=torch.float64), 0.2, 3
    draws = generator("chain")
    start = 1.3 * 1.3 * torch.randn((200_000, 1), generator=draws, dtype=torch.float64)
    spread = []
    sample(
        annealed_langevin(sigmas, epsilon=epsilon, steps_per_level=steps),
        lambda x, level: -x / sigmas[level].square()[:, None],
        start,
        lambda x: torch.randn(x.shape, generator=draws, dtype=x.dtype),
        lambda level, x: spread.append(float(x.var() / sigmas[level] ** 2)),
    )
    assert spread[0] == pytest.approx(variance_ratio(epsilon, 1.0, 1.3, steps), rel=0.01)
    for wrong in (epsilon / 2, 2 * epsilon):
        assert variance_ratio(wrong, 1.0, 1.3, steps) != pytest.approx(spread[0], rel=0.05)


def test_a_diverging_chain_has_infinite_variance():
    assert variance_ratio(4e-4, 0.01, 1.1, 5) == float("inf")
    assert variance_ratio(3.9e-4, 0.01, 1.1, 5) < float("inf")


def test_diagnosis_of_one_level():
    found = diagnosis(Settings(0.01, 0.01, 1, 2e-5, 1000), 50.0, 3072)
    assert found.ratio == 1 and found.overlap == pytest.approx(0.9973, abs=1e-4)
    assert found.steps_per_image == 1000 and found.reach == pytest.approx(2e-4)


@pytest.mark.parametrize("arguments", [(0.01, 0.01, 64), (1, 0.01, 0), (1, 0.01, 64, 1.0)])
def test_ladders_that_cannot_be_are_refused(arguments):
    with pytest.raises(ValueError, match="must hold, got"):
        advised_num_levels(*arguments)


@pytest.mark.parametrize("arguments", [(0.01, 1.0, 5), (0.0, 1.1, 5), (0.01, 1.1, 0)])
def test_chains_that_cannot_be_are_refused(arguments):
    with pytest.raises(ValueError, match="must hold, got"):
        advised_epsilon(*arguments)


@pytest.mark.parametrize(
    ("name", "size", "target"),
    [("cifar10_ncsnv2", 32, 0.566), ("celeba64_ncsnv2", 64, 0.566), ("mnist_ncsnv2_cpu", 0, 0.5)],
)
def test_presets_follow_the_techniques(name, size, target, tmp_path):
    file = Path(shutil.copy(ROOT / "params.yaml", tmp_path))
    apply_preset(name, file)
    params = load_params("noise", "sampler", path=file)
    advised = advised_settings(
        params.noise.sigma_max, 3 * size**2 or 28**2, params.sampler.steps_per_level, target
    )
    assert params.noise.sigma_min == advised.sigma_min
    assert params.noise.num_levels == advised.num_levels
    assert params.sampler.epsilon == pytest.approx(advised.epsilon, rel=0.02)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """params.yaml of the default and a summary of prepared digits."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    path = tmp_path / "artifacts" / "data" / "summary.json"
    path.parent.mkdir(parents=True)
    pixels = {"shape": [8, 8, 1], "mean": 77.0, "std": 96.0}
    pixels |= {"channel_mean": [77.0], "channel_std": [96.0]}
    summary = {
        "name": "digits",
        "train": {"count": 1438, "sha256": "0", **pixels},
        "test": {"count": 359, "sha256": "1", **pixels},
        "pairwise": {"max": 4.8137, "median": 3.0, "num_points": 1438},
    }
    path.write_text(json.dumps(summary))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _advise(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["advise.py", *arguments])
    runpy.run_path(str(ROOT / "pipeline" / "advise.py"))["main"]()


def test_the_command_prints_and_changes_nothing(project, monkeypatch, capsys):
    before = (project / "params.yaml").read_bytes()
    _advise(monkeypatch, "--steps-per-level", "3")
    out = capsys.readouterr().out
    for words in ("Technique 1", "Technique 2", "Technique 4", "4.81", "noise.num_levels"):
        assert words in out
    assert (project / "params.yaml").read_bytes() == before


def test_written_values_are_the_advised_and_comments_stay(project, monkeypatch, capsys):
    before = (project / "params.yaml").read_text()
    _advise(monkeypatch, "--steps-per-level", "3", "--write")
    params = load_params("noise", "sampler")
    advised = advised_settings(4.8137, 64, 3)
    assert (params.noise.sigma_max, params.noise.num_levels) == advised[0:3:2]
    assert (params.sampler.epsilon, params.sampler.steps_per_level) == advised[3:]
    after = (project / "params.yaml").read_text()
    assert [line.partition("#")[2] for line in after.splitlines()] == [
        line.partition("#")[2] for line in before.splitlines()
    ]
    capsys.readouterr()
    _advise(monkeypatch, "--write")
    assert "already has these values" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "arguments", "words"),
    [
        (None, [], "summary.json is missing.*dvc repro prepare"),
        ({"name": "mnist"}, [], "describes 'mnist'.*'digits'.*dvc repro prepare"),
        ({"pairwise": NO_DISTANCE}, [], "largest distance .* 0.0"),
        ({}, ["--steps-per-level", "0"], "--steps-per-level .value 0.: must be at least 1"),
        ({}, ["--overlap", "1"], "--overlap .value 1.0.: must be above 0 and below 0.99"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(change, arguments, words, project, monkeypatch):
    before = (project / "params.yaml").read_bytes()
    path = project / "artifacts" / "data" / "summary.json"
    summary = json.loads(path.read_text())
    path.unlink()
    if change is not None:
        path.write_text(json.dumps({**summary, **change}))
    with pytest.raises(UserError, match=words):
        _advise(monkeypatch, "--write", *arguments)
    assert (project / "params.yaml").read_bytes() == before


@pytest.mark.parametrize("dim", [1, 10, 784])
@pytest.mark.parametrize("ratio", [1.0, 1.05, 1.5, 3.0])
def test_the_overlap_is_the_mass_within_three_deviations_of_the_level_before(dim, ratio):
    """In units of the level's sigma: its radius is N(sqrt(D), 1/2), that before `ratio` wider."""
    radius = torch.distributions.Normal(
        torch.tensor(dim**0.5, dtype=torch.float64), torch.tensor(0.5**0.5, dtype=torch.float64)
    )
    low, high = (ratio * (dim**0.5 + side * 3 * 0.5**0.5) for side in (-1, 1))
    bounds = torch.tensor([low, high], dtype=torch.float64)
    expected = float(radius.cdf(bounds).diff())
    assert level_overlap(ratio, dim) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("dim", [1, 64, 3072])
@pytest.mark.parametrize("target", [0.05, 0.5, 0.95])
def test_the_advised_number_of_levels_is_the_smallest_that_overlaps_enough(dim, target):
    overlaps = [level_overlap(ladder_ratio(20, 0.01, levels), dim) for levels in range(2, 2000)]
    smallest = 2 + next(i for i, overlap in enumerate(overlaps) if overlap >= target)
    assert advised_num_levels(20, 0.01, dim, target) == smallest


@pytest.mark.parametrize("bad", [(1, 0.01, 0, 0.5), (1, 0.01, 9, 0.0), (1, 0.01, 9, 0.99)])
def test_targets_that_no_ladder_meets_are_refused(bad):
    with pytest.raises(ValueError, match="0 < target_overlap < 0.99"):
        advised_num_levels(*bad)

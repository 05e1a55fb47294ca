"""The toy studies at a small size: the paper's statements hold, numbers and figures are whole."""

import math

import pytest
import torch

from ncsn.base.rng import generator
from ncsn.config.params import ToyParams
from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.mixtures import two_mode_mixture
from ncsn.toy.density import DENSE, THIN, density_study, field_curl, square_grid
from ncsn.toy.figures import running_mean, write_figures
from ncsn.toy.manifold import least_loss, manifold_study, segment
from ncsn.toy.mixing import mixing_study, mode_std_score
from ncsn.toy.scales import energy_distance, scales_study
from ncsn.toy.study import ToyStudy, toy_study
from ncsn.toy.summary import toy_summary, write_objectives_table

SMALL = ToyParams(
    batch_size=64, density_steps=60, density_learning_rate=0.002, sigma_max=20.0, sigma_min=1.0,
    num_levels=4, epsilon=0.1, steps_per_level=10, num_samples=100, num_seeds=2,
    objectives_dims=(2, 5), objectives_num_draws=2,
    scales_sigma_max=10.0, scales_sigma_min=0.1, scales_num_levels=3, scales_steps=20,
    scales_learning_rate=0.002, scales_num_networks=2, scales_num_samples=40, manifold_sigma=0.01,
    manifold_steps=20, manifold_learning_rate=0.003,
)  # fmt: skip


@pytest.fixture(scope="module")
def study() -> ToyStudy:
    return toy_study(SMALL, seed=0)


def test_annealing_finds_the_weights_that_langevin_misses() -> None:
    # The interval of 10 seeds: Langevin .511 +- .020, annealed .780 +- .011, truth .800.
    mixing = mixing_study(
        sigmas=geometric_sigmas(20.0, 1.0, 10), epsilon=0.1, steps_per_level=100,
        num_samples=1280, num_seeds=3, seed=1234,
    )  # fmt: skip
    error = 0.011 * math.sqrt(1 / 3 + 1 / 10)  # of a mean over 3 seeds against one over 10
    assert abs(float(mixing.shares["langevin"].mean()) - 0.511) < 0.020
    assert abs(float(mixing.shares["annealed"].mean()) - 0.780) < 3 * error
    assert abs(float(mixing.shares["iid"].mean()) - mixing.truth) < 3 * 0.011 / math.sqrt(3)


def test_the_last_level_is_the_data_itself() -> None:
    mixture, sigmas = two_mode_mixture(), geometric_sigmas(20.0, 1.0, 10)
    x, last = square_grid(20), torch.full((400,), 9)
    torch.testing.assert_close(mode_std_score(mixture, sigmas)(x, last), mixture.score(x))


def test_a_learned_score_is_right_where_the_data_are() -> None:
    density = density_study(num_steps=400, batch_size=128, learning_rate=0.002, seed=0)
    dense, thin = density.density > DENSE, density.density < THIN
    for learned in density.learned.values():
        assert 5 * learned.error[dense].mean() < learned.error[thin].mean()
        assert learned.fisher[-1] < learned.fisher[0]
    assert density.learned["energy"].curl < 1e-5 < density.learned["direct"].curl


def test_the_curl_of_a_rotation_is_two() -> None:
    x = torch.randn(5, 2, generator=generator(0))
    spin = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    torch.testing.assert_close(field_curl(lambda x: x @ spin, x), torch.full((5,), 2.0))


def test_one_level_fails_at_either_end_and_all_levels_do_not() -> None:
    scales = scales_study(
        sigmas=geometric_sigmas(10.0, 0.1, 6), num_steps=300, batch_size=64, learning_rate=0.002,
        epsilon=0.1, steps_per_level=60, num_samples=150, num_copies=2, seed=0,
    )  # fmt: skip
    gap, corruption = scales.gap.mean(1), scales.corruption
    assert (gap[1:] > gap[:-1]).all() and (corruption[1:] < corruption[:-1]).all()
    one, many = scales.exact.distance[:-1].mean(1), float(scales.exact.distance[-1].mean())
    best = int(one.argmin())
    assert 0 < best < 5 and one[0] > 2 * one[best] < one[-1]
    assert many < 0.5 * float(one.min())
    assert float(scales.learned.distance[-1].mean()) < float(one.min())


def test_energy_distance_is_zero_between_equals_and_known_between_normals() -> None:
    x, y = (torch.randn(2000, 1, generator=generator(n), dtype=torch.float64) for n in range(2))
    assert abs(energy_distance(x, y)) < 0.005
    # E|N(3, 2)| - 2 / sqrt(pi) for two unit normals 3 apart, doubled
    far = 2 * math.exp(-9 / 4) / math.sqrt(math.pi) + 3 * math.erf(1.5)
    assert abs(energy_distance(x, y + 3) - 2 * (far - 2 / math.sqrt(math.pi))) < 0.15


def test_the_loss_falls_without_end_on_a_segment_and_not_with_noise() -> None:
    manifold = manifold_study(
        sigma=0.1, num_steps=300, batch_size=128, learning_rate=0.003, seed=0
    )
    assert manifold.bare[-50:].mean() < 10 * manifold.least
    assert manifold.least < manifold.noised[-50:].mean() < 0.5 * manifold.least


@pytest.mark.parametrize("sigma", [0.01, 0.1, 1.0])
def test_the_least_loss_is_that_of_the_exact_score(sigma: float) -> None:
    draws = generator(5)
    x = segment(200_000, draws).double()
    x = x + sigma * torch.randn(x.shape, generator=draws, dtype=torch.float64)
    axis = torch.tensor([0.8, 0.6], dtype=torch.float64)
    t = (x @ axis).requires_grad_()
    ndtr = torch.special.ndtr
    density = ndtr(t / sigma) - ndtr((t - 1) / sigma)
    (along,) = torch.autograd.grad(density.log().sum(), t)
    across = (x - t.detach()[:, None] * axis).square().sum(1) / sigma**4
    value = -0.5 * (along.square() + across)
    assert abs(float(value.mean()) - least_loss(sigma)) < 4 * float(value.std()) / 200_000**0.5


def test_the_summary_is_finite_and_repeats_itself(study: ToyStudy) -> None:
    numbers = toy_summary(study)
    assert all(math.isfinite(value) for value in numbers.values())
    assert toy_summary(toy_study(SMALL, seed=0)) == numbers
    assert toy_summary(toy_study(SMALL, seed=1)) != numbers


def test_every_study_leaves_a_figure(study: ToyStudy, tmp_path) -> None:
    paths = write_figures(study, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in paths)
    assert [p.stem for p in paths] == [
        "manifold", "density", "energy", "objectives", "mixing", "scales"
    ]  # fmt: skip
    assert all(p.read_bytes().startswith(b"\x89PNG") for p in paths)


def test_one_seed_and_few_steps_are_drawn_as_well(tmp_path) -> None:
    least = SMALL.model_copy(
        update={"num_seeds": 1, "scales_num_networks": 1, "manifold_steps": 2, "density_steps": 1}
    )
    study = toy_study(least, seed=0)
    assert "toy/share_annealed_std" not in toy_summary(study)
    assert len(write_figures(study, tmp_path)) == 6


def test_networks_that_differ_are_summed_up_by_median_and_range(study: ToyStudy) -> None:
    numbers, values = toy_summary(study), study.scales.learned.distance[1]
    key = "toy/distance_learned_level_01"
    assert numbers[f"{key}_min"] == float(values.min()) <= numbers[f"{key}_median"]
    assert numbers[f"{key}_median"] <= numbers[f"{key}_max"] == float(values.max())


def test_the_table_has_a_row_for_each_dimension_and_objective(study: ToyStudy, tmp_path) -> None:
    write_objectives_table(study.objectives, tmp_path)
    head, *rows = (tmp_path / "objectives.csv").read_text().splitlines()
    assert len(rows) == 2 * len(study.objectives.flops)
    assert {row.split(",")[0] for row in rows} == {"2", "5"}
    assert all(row.count(",") == head.count(",") for row in rows)


def test_a_running_mean_of_a_line_is_the_line() -> None:
    torch.testing.assert_close(running_mean(torch.arange(10.0), 5), torch.arange(2.0, 8.0))
    torch.testing.assert_close(running_mean(torch.arange(3.0), 5), torch.tensor([1.0]))


def test_ladders_that_do_not_fall_are_refused() -> None:
    with pytest.raises(ValueError, match=r"scales_sigma_max: must be larger"):
        ToyParams(**{**SMALL.model_dump(), "scales_sigma_max": 0.1})


@pytest.mark.parametrize("dims", [(), (1, 2), (8, 2), (2, 2), (2, 20_000), (2.5,), 2])
def test_dimensions_that_do_not_rise_or_are_too_many_are_refused(dims: object) -> None:
    with pytest.raises(ValueError, match="objectives_dims"):
        ToyParams(**{**SMALL.model_dump(), "objectives_dims": dims})

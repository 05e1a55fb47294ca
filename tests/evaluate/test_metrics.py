"""Laws of the metrics: closed forms on Gaussians, invariances, identical sets, refusals."""

import numpy as np
import pytest
import torch
from numpy.random import Generator

from ncsn.base import metric_names as keys
from ncsn.base.errors import UserError
from ncsn.config.params import EvaluateParams
from ncsn.evaluate.metrics import (
    MAX_PIXELS,
    evaluate_features,
    feature_statistics,
    fidelity_seed,
    floor_features,
    pixel_statistics,
)

BARS = {"error_groups": 0, "floor_subsets": 0, "floor_images": None}
SIZES = EvaluateParams(kid_subset_size=20, kid_subsets=10, prc_neighborhood=3, **BARS)


@pytest.fixture
def rng() -> Generator:
    return np.random.default_rng(5)


def features(rng: Generator, count: int, dim: int = 6, shift: float = 0) -> torch.Tensor:
    return torch.from_numpy(rng.normal(shift, 1, (count, dim)).astype(np.float32))


def evaluated(
    generated: torch.Tensor, real: torch.Tensor, sizes: EvaluateParams = SIZES
) -> dict[str, float]:
    return evaluate_features(generated, real, None, feature_statistics(real), sizes, seed=1)


def test_pixel_statistics_are_in_units_of_one(rng: Generator) -> None:
    images = rng.integers(0, 256, (40, 3, 2, 1), dtype=np.uint8)
    statistics = pixel_statistics(images)
    np.testing.assert_allclose(statistics.mean, images.reshape(40, 6).mean(0) / 255)


def test_identical_sets_have_no_distance(rng: Generator) -> None:
    real = features(rng, 40)
    metrics = evaluated(real, real, SIZES.model_copy(update={"kid_subset_size": 40}))
    assert metrics[keys.FID] == pytest.approx(0, abs=1e-6)
    assert metrics[keys.PRECISION] == metrics[keys.RECALL] == 1
    assert metrics[keys.FID_NUM_SAMPLES] == metrics[keys.NUM_REFERENCE] == 40
    assert keys.ISC_MEAN not in metrics


def test_distance_grows_and_precision_falls_with_a_shift(rng: Generator) -> None:
    real = features(rng, 60)
    near, far = (evaluated(features(rng, 50, shift=shift), real) for shift in (0, 3))
    for key in (keys.FID, keys.KID_MEAN):
        assert far[key] > near[key]
    for key in (keys.PRECISION, keys.RECALL):
        assert far[key] < near[key]


def test_the_order_of_samples_does_not_matter(rng: Generator) -> None:
    """KID draws subsets by place, so its subsets are all samples here."""
    sizes = SIZES.model_copy(update={"kid_subset_size": 30})
    real, generated = features(rng, 30), features(rng, 30, shift=0.5)
    first, second = (evaluated(part, real, sizes) for part in (generated, generated.flip(0)))
    assert second == pytest.approx(first, rel=1e-4, abs=1e-5)


def test_inception_score_counts_the_classes_that_are_told_apart(rng: Generator) -> None:
    """exp of the information between image and class: K for K certain even classes, 1 for none."""
    points = features(rng, 1000)
    for logits, expected in [(100 * torch.eye(4).repeat(250, 1), 4), (torch.zeros(1000, 4), 1)]:
        metrics = evaluate_features(
            points, points, logits, feature_statistics(points), SIZES, seed=1
        )
        assert metrics[keys.ISC_MEAN] == pytest.approx(expected, rel=0.03)  # 100 images a split


def test_the_floor_of_two_draws_shrinks_with_their_size(rng: Generator) -> None:
    small, large = (
        floor_features(
            features(rng, count), (real := features(rng, count)), feature_statistics(real), seed=1
        )
        for count in (30, 600)
    )
    assert large[keys.FLOOR_FID] < small[keys.FLOOR_FID] / 5
    assert (large[keys.FLOOR_FID_NUM_SAMPLES], large[keys.FLOOR_NUM_REFERENCE]) == (600, 600)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"kid_subset_size": 31}, r"evaluate\.kid_subset_size \(value 31\): must be at most 30"),
        ({"prc_neighborhood": 30}, r"evaluate\.prc_neighborhood \(value 30\): .* less than 30"),
    ],
)
def test_sizes_beyond_the_counts_are_refused(
    rng: Generator, sizes: dict[str, int], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        evaluated(features(rng, 30), features(rng, 40), SIZES.model_copy(update=sizes))


def test_a_single_sample_is_refused(rng: Generator) -> None:
    with pytest.raises(UserError, match="at least 2 images"):
        evaluated(features(rng, 1), features(rng, 40))
    with pytest.raises(UserError, match="at least 2 images"):
        feature_statistics(features(rng, 1))


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(rng: Generator, broken: float) -> None:
    generated, real = features(rng, 40), features(rng, 40)
    generated[3, 2] = broken
    with pytest.raises(UserError, match="finite"):
        evaluated(generated, real)


def test_a_pixel_covariance_that_takes_hours_names_its_switch() -> None:
    with pytest.raises(UserError, match=r"reference\.pixel_frechet.*12288.*4096"):
        pixel_statistics(np.zeros((2, 64, 64, 3), np.uint8))
    assert MAX_PIXELS == 4096


def test_precision_is_of_the_samples_and_recall_of_the_reference(rng: Generator) -> None:
    """Samples of one of two far modes are all real-looking and miss half of the reference."""
    real = torch.cat([features(rng, 40), features(rng, 40, shift=100)])
    metrics = evaluated(real[:40].clone(), real)
    assert metrics[keys.PRECISION] == 1
    assert metrics[keys.RECALL] == pytest.approx(0.5)
    swapped = evaluated(real, real[:40].clone())
    assert swapped[keys.PRECISION] == pytest.approx(0.5)
    assert swapped[keys.RECALL] == 1


def scored(logits: torch.Tensor, rng: Generator, seed: int = 1) -> dict[str, float]:
    points = features(rng, max(len(logits), 20))
    return evaluate_features(points, points, logits, feature_statistics(points), SIZES, seed)


def test_inception_score_is_the_mean_over_ten_splits_or_one_image_each(rng: Generator) -> None:
    """Images of a class of their own score as many classes as a split has images."""
    assert scored(100 * torch.eye(40), rng)[keys.ISC_MEAN] == pytest.approx(4, rel=1e-4)
    assert scored(100 * torch.eye(7), rng)[keys.ISC_MEAN] == pytest.approx(1, rel=1e-4)


def test_the_seed_names_the_subsets_and_the_splits(rng: Generator) -> None:
    logits = torch.from_numpy(rng.normal(0, 3, (50, 5)).astype(np.float32))
    real, generated = features(rng, 60), features(rng, 50, shift=0.3)
    first, again, other = (
        evaluate_features(generated, real, logits, feature_statistics(real), SIZES, seed)
        for seed in (1, 1, 2)
    )
    assert again == first
    drawn = {keys.KID_MEAN, keys.KID_STD, keys.ISC_MEAN, keys.ISC_STD}
    assert {key for key in first if first[key] != other[key]} == drawn


def test_subsets_of_the_kernel_distance_hold_no_image_twice(rng: Generator) -> None:
    """Subsets of all images are one and the same, so that nothing is left to spread."""
    sizes = SIZES.model_copy(update={"kid_subset_size": 40})
    metrics = evaluated(features(rng, 40, shift=0.5), features(rng, 40), sizes)
    assert metrics[keys.KID_STD] == pytest.approx(0, abs=1e-5)


def test_statistics_are_those_of_the_rows_unless_a_scale_is_given(rng: Generator) -> None:
    rows = rng.normal(size=(9, 2))
    np.testing.assert_allclose(feature_statistics(torch.from_numpy(rows)).mean, rows.mean(0))


def test_two_images_a_side_are_enough(rng: Generator) -> None:
    sizes = EvaluateParams(kid_subset_size=2, kid_subsets=2, prc_neighborhood=1, **BARS)
    assert evaluated(features(rng, 2), features(rng, 2), sizes)[keys.FID] > 0


def test_counts_are_told_as_they_are(rng: Generator) -> None:
    sizes = SIZES.model_copy(update={"kid_subset_size": 31})
    with pytest.raises(UserError, match="30 samples, 40 reference images"):
        evaluated(features(rng, 30), features(rng, 40), sizes)


def test_seeds_of_torch_fidelity_differ_and_have_32_bits() -> None:
    seeds = {fidelity_seed(seed) for seed in range(1000)}
    assert len(seeds) == 1000 and max(seeds) < 2**32

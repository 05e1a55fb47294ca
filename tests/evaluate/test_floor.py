"""Laws of the matched floor: it is that of independent sets of its size."""

from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from ncsn.base import metric_names as keys
from ncsn.base.rng import generator
from ncsn.config.params import EvaluateParams
from ncsn.evaluate.floor import RealSet, matched_floor
from ncsn.evaluate.metrics import feature_statistics, pixel_statistics, statistics_distance
from ncsn.evaluate.reference import Reference, Summary

PARAMS = EvaluateParams(
    kid_subset_size=20,
    kid_subsets=10,
    prc_neighborhood=3,
    error_groups=0,
    floor_subsets=40,
    floor_images=None,
)
IMAGES = np.random.default_rng(0).integers(0, 256, (400, 2, 2, 1), dtype=np.uint8)


def rows(count: int, *name: int) -> torch.Tensor:
    return torch.randn(count, 5, generator=generator("floor", *name))


@pytest.fixture
def reference() -> Reference:
    real = rows(150, 0)
    pixels = pixel_statistics(IMAGES[:150])
    return Reference({}, Path("unused"), real, feature_statistics(real), pixels)


def floor(reference: Reference, num_samples: int, pool: int = 1, **changes: int | None) -> Summary:
    others = RealSet(rows(300, pool), IMAGES[100:])
    params = PARAMS.model_copy(update=changes)
    return matched_floor(others, reference, num_samples, params, 7)


def test_it_is_the_mean_and_spread_of_independent_sets(reference: Reference) -> None:
    """Subsets of 250 of 300 vary by less than half as much as fresh sets, which is put right."""
    key = keys.matched(keys.FID)
    found = [floor(reference, 250, pool) for pool in range(1, 13)]
    means, spreads = (torch.tensor([f[k] for f in found]) for k in (key, keys.std_key(key)))
    fresh = torch.tensor(
        [
            statistics_distance(feature_statistics(rows(250, 0, i)), reference.statistics)
            for i in range(200)
        ]
    )
    assert float(means.mean()) == pytest.approx(float(fresh.mean()), rel=0.2)
    assert 0.85 < float(spreads.square().mean().sqrt() / fresh.std()) < 1.4
    assert found[0][keys.MATCHED_NUM_SUBSETS] == 40


def test_fewer_images_have_a_larger_floor(reference: Reference) -> None:
    small, large = (floor(reference, count) for count in (30, 250))
    for key in (keys.FID, keys.PIXEL_FRECHET):
        assert small[keys.matched(key)] > 1.5 * large[keys.matched(key)], key
    assert small[keys.matched(keys.FID_NUM_SAMPLES)] == 30


def test_every_measure_of_features_and_pixels_has_one(reference: Reference) -> None:
    found = floor(reference, 100)
    for key in (keys.FID, keys.KID_MEAN, keys.PRECISION, keys.RECALL, keys.PIXEL_FRECHET):
        assert keys.matched(key) in found and keys.std_key(keys.matched(key)) in found, key


@pytest.mark.parametrize("num_samples", [300, 1000])
def test_too_few_real_images_are_all_taken_once(reference: Reference, num_samples: int) -> None:
    found = floor(reference, num_samples)
    assert found[keys.matched(keys.FID_NUM_SAMPLES)] == 300
    assert found[keys.MATCHED_NUM_SUBSETS] == 1
    assert not [key for key in found if key.endswith("_std")]
    direct = statistics_distance(feature_statistics(rows(300, 1)), reference.statistics)
    assert found[keys.matched(keys.FID)] == pytest.approx(direct)


def test_the_params_name_size_and_number(reference: Reference) -> None:
    found = floor(reference, 100, floor_images=50, floor_subsets=20)
    assert found[keys.matched(keys.FID_NUM_SAMPLES)] == 50
    assert found[keys.MATCHED_NUM_SUBSETS] == 20
    assert floor(reference, 100, floor_subsets=0) == {}


def test_threads_change_no_bit(reference: Reference) -> None:
    real = torch.randn(1000, 96, generator=generator("real"))
    wide = reference._replace(features=real, statistics=feature_statistics(real), pixels=None)
    others = RealSet(torch.randn(1500, 96, generator=generator("others")), IMAGES)
    params, found = PARAMS.model_copy(update={"floor_subsets": 20}), []
    before = torch.get_num_threads()
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            with threadpool_limits(limits=count, user_api="blas"):
                found.append(matched_floor(others, wide, 1200, params, 7))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]

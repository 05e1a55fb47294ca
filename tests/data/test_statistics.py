import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist

from ncsn.data import statistics
from ncsn.data.split import Split
from ncsn.data.statistics import pairwise_distances, split_summary

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(1100, 4, 5, 3), (2, 8, 8, 1)])
def test_moments_equal_those_of_a_float_copy(shape: tuple[int, ...]) -> None:
    images = RNG.integers(0, 256, shape, np.uint8)
    images[..., 0] //= 3
    summary = split_summary(Split(images, None))
    pixels = images.astype(float)
    assert summary["count"] == shape[0] and summary["shape"] == list(shape[1:])
    assert summary["mean"] == pytest.approx(pixels.mean(), rel=1e-12)
    assert summary["std"] == pytest.approx(pixels.std(), rel=1e-12)
    np.testing.assert_allclose(summary["channel_mean"], pixels.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(summary["channel_std"], pixels.std((0, 1, 2)), rtol=1e-12)


def test_hash_follows_the_content_and_nothing_else() -> None:
    images, labels = RNG.integers(0, 256, (6, 4, 4, 1), np.uint8), np.arange(6)
    splits = [
        Split(images, labels),
        Split(images, None),
        Split(images, labels[::-1]),
        Split(images[::-1], labels),
        Split(images.reshape(6, 2, 8, 1), labels),
        Split(images, labels.astype(np.int32)),
    ]
    hashes = [split_summary(split)["sha256"] for split in splits]
    assert len(set(hashes)) == len(splits)
    strided = Split(np.asfortranarray(images), labels.copy())
    assert split_summary(strided)["sha256"] == hashes[0]


@pytest.mark.parametrize("num_images", [2, 3, 512, 1030])
def test_distances_are_those_of_all_pairs(num_images: int) -> None:
    images = RNG.integers(0, 256, (num_images, 3, 4, 2), np.uint8)
    expected = pdist(images.reshape(num_images, -1) / 255)
    found = pairwise_distances(images, seed=0)
    assert found.num_points == num_images
    assert found.max == pytest.approx(expected.max(), abs=1e-4)
    assert found.median == pytest.approx(np.median(expected), abs=1e-4)


def test_distances_are_exact_whatever_the_number_of_pixels() -> None:
    """Their squares are whole numbers; sums in fp32 used to move the fifth digit."""
    images = RNG.integers(0, 256, (9, 40, 32, 1), np.uint8)
    images[0], images[1] = 0, 255
    differences = images.reshape(9, 1, -1).astype(int) - images.reshape(1, 9, -1)
    squared = np.sort((differences**2).sum(2)[np.triu_indices(9, 1)])
    points = torch.from_numpy(images).flatten(1)
    found = np.sort(statistics._pair_distances(points))
    assert found.tolist() == (np.sqrt(squared) / 255).astype(np.float32).tolist()


def test_a_random_subset_stands_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statistics, "MAX_PAIRWISE_POINTS", 50)
    images = RNG.integers(0, 256, (80, 3, 4, 2), np.uint8)
    found = pairwise_distances(images, seed=0)
    assert found.num_points == 50
    assert found == pairwise_distances(images, seed=0)
    assert found != pairwise_distances(images, seed=1)
    assert found.max <= pdist(images.reshape(80, -1) / 255).max() + 1e-4

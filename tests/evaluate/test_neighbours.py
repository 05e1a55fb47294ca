"""Nearest training images: exact, in order, alike in pixels and in features."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from ncsn.config.params import NeighboursParams, ReferenceParams
from ncsn.data.split import Split, split_sha256
from ncsn.evaluate import neighbours
from ncsn.evaluate.neighbours import nearest, training_neighbours
from ncsn.evaluate.reference import read_reference, read_train_features
from ncsn.evaluate.write_reference import write_reference

CPU = torch.device("cpu")
PARAMS = NeighboursParams(num_samples=7, num_neighbours=4)


@pytest.mark.parametrize("chunk", [7, 50, 2048])
def test_neighbours_of_bytes_are_those_of_whole_number_distances(monkeypatch, chunk):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 5, 4, 3), dtype=np.uint8)
    samples = rng.integers(0, 256, (3, 5, 4, 3), dtype=np.uint8)
    difference = samples[:, None].astype(np.int64) - images.astype(np.int64)
    squared = (difference**2).sum((2, 3, 4))
    expected = np.argsort(squared, axis=1, kind="stable")[:, :9]
    monkeypatch.setattr(neighbours, "CHUNK", chunk)
    found = nearest(samples, images, 9)
    np.testing.assert_array_equal(found.indices, expected)
    expected_squared = np.take_along_axis(squared, expected, axis=1)
    np.testing.assert_array_equal(found.distances, np.sqrt(expected_squared))


@pytest.mark.parametrize("chunk", [7, 50, 2048])
def test_neighbours_of_features_agree_with_brute_force(monkeypatch, chunk):
    rng = np.random.default_rng(1)
    points, others = (rng.normal(size=(n, 33)).astype(np.float32) for n in (4, 60))
    distances = torch.cdist(torch.from_numpy(points).double(), torch.from_numpy(others).double())
    monkeypatch.setattr(neighbours, "CHUNK", chunk)
    found = nearest(points, others, 5)
    expected = distances.sort(dim=1)
    np.testing.assert_array_equal(found.indices, expected.indices[:, :5])
    np.testing.assert_allclose(found.distances, expected.values[:, :5], rtol=1e-9)


def test_a_point_among_the_others_is_its_own_neighbour_at_distance_0_and_equal_ones_in_order():
    images = np.random.default_rng(1).integers(0, 256, (20, 4, 4, 1), dtype=np.uint8)
    images[13] = images[4]
    found = nearest(images[[2, 13]], images, 2)
    assert found.indices[0, 0] == 2 and found.indices[1].tolist() == [4, 13]
    assert found.distances[:, 0].tolist() == [0, 0] and found.distances[1, 1] == 0


def test_a_mirrored_image_is_not_its_own_neighbour():
    images = np.zeros((2, 2, 2, 1), dtype=np.uint8)
    images[0, :, 0], images[1] = 255, 100
    assert nearest(images[:1, :, ::-1], images, 1).indices == [[1]]


def test_fewer_images_than_asked_for_are_all_returned():
    images = np.zeros((3, 2, 2, 1), dtype=np.uint8)
    assert nearest(images, images, 9).indices.shape == (3, 3)


@pytest.fixture(scope="module")
def splits():
    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    return [Split(images[a:b], bunch.target[a:b]) for a, b in [(0, 300), (300, 400)]]


@pytest.mark.parametrize("split", ["test", "train"])
def test_training_images_are_their_own_neighbours_in_both_spaces(tmp_path, splits, split):
    params = ReferenceParams(
        extractor="classifier",
        feature_layer="128",
        weights_path=None,
        split=split,
        classifier_steps=20,
        pixel_frechet=False,
    )
    train, test = splits
    write_reference(tmp_path / "reference", train, test, params, 0, CPU)
    hashes = {"train": split_sha256(train), "test": split_sha256(test)}
    summary = {name: {"sha256": value} for name, value in hashes.items()}
    reference = read_reference(tmp_path / "reference", params, 0, summary)
    features = read_train_features(tmp_path / "reference", reference, summary)
    assert features.shape == (300, 128)
    copies = train.images[40:60]
    found = training_neighbours(
        copies, test.images, train.images, features, reference, PARAMS, CPU
    )
    assert found["num_train"] == 300 and found["extractor"] == "classifier"
    for space, tiny in (("pixels", 0), ("features", 1e-4)):
        indices, distances = (np.array(found[space][k]) for k in ("indices", "distances"))
        assert indices.shape == distances.shape == (7, 4)
        assert indices[:, 0].tolist() == list(range(40, 47))
        assert distances[:, 0].max() <= tiny and distances[:, 1].min() > 0.1
        assert (np.diff(distances) >= 0).all()
        unseen = np.array(found[space]["held_out_distances"])
        assert unseen.shape == (7,) and unseen.min() > 0.1
    first = (test.images[0] / 255.0 - train.images / 255.0).reshape(300, -1)
    expected = np.linalg.norm(first, axis=1).min()
    assert found["pixels"]["held_out_distances"][0] == pytest.approx(expected)


def test_of_many_equal_images_the_lower_indices_come_first():
    images = np.zeros((500, 2, 2, 1), dtype=np.uint8)
    images[::3] = 1
    near = [index for index in range(500) if index % 3][:50]
    assert nearest(images[1:2], images, 50).indices[0].tolist() == near

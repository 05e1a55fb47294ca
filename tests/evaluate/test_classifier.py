"""The classifier: it learns digits, repeats itself bit for bit, and keeps its file whole."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from ncsn.base.errors import UserError
from ncsn.evaluate.classifier import (
    Classifier,
    classifier_accuracy,
    load_classifier,
    save_classifier,
    train_classifier,
)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """The 1797 digits of scikit-learn in an order without structure, uint8 (N,8,8,1)."""
    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    return images[order], bunch.target[order].astype(np.int64)


def test_it_learns_digits(digits: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = digits
    net = train_classifier(images[:1437], labels[:1437], 150, seed=1)
    assert classifier_accuracy(net, images[1437:], labels[1437:]) >= 0.95
    with torch.no_grad():
        features = net(torch.from_numpy(images[:1437]).movedim(-1, 1)).features
    assert features.shape == (1437, 128)
    assert float(features.square().mean()) == pytest.approx(1, rel=1e-4)


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before(
    digits: tuple[np.ndarray, np.ndarray],
) -> None:
    images, labels = (part[:200] for part in digits)
    nets = []
    for seed in (3, 3, 4):
        nets.append(train_classifier(images, labels, 3, seed))
        torch.rand(5)
    first, again, other = (net.state_dict() for net in nets)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_training_leaves_the_global_random_state_alone(
    digits: tuple[np.ndarray, np.ndarray],
) -> None:
    before = torch.get_rng_state()
    train_classifier(digits[0][:50], digits[1][:50], 2, seed=1)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 48)])
def test_every_image_size_has_128_features(shape: tuple[int, int, int]) -> None:
    net = Classifier(shape, 10)
    for value in net.parameters():
        torch.nn.init.zeros_(value)
    outputs = net.eval()(torch.zeros((2, *shape), dtype=torch.uint8))
    assert outputs.features.shape == (2, 128) and outputs.logits.shape == (2, 10)


def test_a_saved_classifier_comes_back_and_has_the_same_bytes(
    digits: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    images, labels = (part[:64] for part in digits)
    net = train_classifier(images, labels, 2, seed=1)
    save_classifier(tmp_path / "one.pt", net)
    back = load_classifier(tmp_path / "one.pt")
    save_classifier(tmp_path / "two.pt", back)
    batch = torch.from_numpy(images).movedim(-1, 1)
    assert torch.equal(net(batch).logits, back(batch).logits)
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "two.pt").read_bytes()


def test_a_data_set_without_labels_is_told_the_alternative() -> None:
    with pytest.raises(UserError, match=r"reference\.extractor.*inception-v3-compat"):
        train_classifier(np.zeros((4, 8, 8, 1), np.uint8), None, 1, seed=0)


@pytest.mark.parametrize("labels", [np.zeros(3, np.int64), np.full(4, -1)])
def test_labels_that_do_not_fit_are_refused(labels: np.ndarray) -> None:
    with pytest.raises(UserError, match="4 integers from 0"):
        train_classifier(np.zeros((4, 8, 8, 1), np.uint8), labels, 1, seed=0)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"classifier\.pt is missing"):
        load_classifier(tmp_path / "classifier.pt")

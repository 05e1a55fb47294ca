"""The training images nearest to generated ones, between pixels and between features.

A sample that repeats a training image shows here (Song & Ermon 2019, Fig. 9 and 10). Held-out
images, which no network has seen, are measured the same way. Mirrored images are not considered.
"""

from typing import Any, NamedTuple

import numpy as np
import torch

from ncsn.config.params import NeighboursParams
from ncsn.evaluate.reference import Reference
from ncsn.evaluate.torch_fidelity import extract_features, metric_layers

CHUNK = 2048  # training images that are float64 at the same time


class Neighbours(NamedTuple):
    """The nearest of some points, nearest first: int64 (N,K) and Euclidean distances (N,K)."""

    indices: np.ndarray
    distances: np.ndarray


def nearest(points: np.ndarray, others: np.ndarray, count: int) -> Neighbours:
    """Returns the `count` nearest of `others` to each point, by Euclidean distance.

    Differences are squared one by one in float64: equal points are at distance 0, and between
    bytes every squared distance is exact. Of equal distances the lower index comes first.

    Args:
        points: shape (N, ...), of any number type.
        others: shape (M, ...).
        count: how many of each; all M where there are fewer.

    Returns:
        Indices into `others` and distances in the units of the points, shape (N, min(count, M)).
    """
    at = points.reshape(len(points), -1).astype(np.float64)
    squared = np.empty((len(at), len(others)))
    for start in range(0, len(others), CHUNK):
        chunk = others[start : start + CHUNK].reshape(-1, at.shape[1]).astype(np.float64)
        for row, point in zip(squared, at, strict=True):
            difference = chunk - point
            row[start : start + CHUNK] = np.einsum("md,md->m", difference, difference)
    indices = np.argsort(squared, axis=1, kind="stable")[:, :count]
    return Neighbours(indices, np.sqrt(np.take_along_axis(squared, indices, axis=1)))


def training_neighbours(
    samples: np.ndarray,
    held_out: np.ndarray,
    train: np.ndarray,
    train_features: torch.Tensor,
    reference: Reference,
    params: NeighboursParams,
    device: torch.device,
) -> dict[str, Any]:
    """Looks the first samples up among the training images, in pixels and in features.

    Args:
        samples: generated images, uint8, shape (N, H, W, C).
        held_out: images of the test split, uint8, shape (M, H, W, C).
        train: images of the train split in that form.
        train_features: of the train split, (T,D) float32.
        reference: names the extractor.
        params: counts.
        device: where the extractor runs.

    Returns:
        Plain values: `extractor`, `feature_layer`, `num_train`, and under `pixels` (units where
        pixel values lie in [0, 1]) and `features` each `indices` and `distances`, one row per
        sample, and `held_out_distances`: to the nearest, from each of as many held-out images.
    """
    shown, unseen = samples[: params.num_samples], held_out[: params.num_samples]
    features, unseen_features = (
        _features(images, reference, device) for images in (shown, unseen)
    )
    count = params.num_neighbours
    return {
        "extractor": reference.key["extractor"],
        "feature_layer": reference.key["feature_layer"],
        "num_train": len(train),
        "pixels": _nearest_and_held_out(shown, unseen, train, count, 1 / 255),
        "features": _nearest_and_held_out(
            features, unseen_features, train_features.numpy(), count, 1.0
        ),
    }


def _features(images: np.ndarray, reference: Reference, device: torch.device) -> np.ndarray:
    extractor, layer = reference.key["extractor"], reference.key["feature_layer"]
    name = metric_layers(extractor, layer).features
    outputs = extract_features(images, extractor, [name], reference.weights, device)
    return outputs[name].numpy()


def _nearest_and_held_out(
    points: np.ndarray, unseen: np.ndarray, others: np.ndarray, count: int, scale: float
) -> dict[str, Any]:
    found = nearest(points, others, count)
    return {
        "indices": found.indices.tolist(),
        "distances": (scale * found.distances).tolist(),
        "held_out_distances": (scale * nearest(unseen, others, 1).distances[:, 0]).tolist(),
    }

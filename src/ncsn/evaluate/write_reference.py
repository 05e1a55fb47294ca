"""Makes the folder that `reference` reads."""

import shutil
from pathlib import Path

import numpy as np
import torch

from ncsn.base import metric_names as keys
from ncsn.base.files import whole_folder, write_json, write_npz
from ncsn.base.progress import notice
from ncsn.config.params import ReferenceParams
from ncsn.data.split import Split
from ncsn.evaluate.classifier import classifier_accuracy, save_classifier, train_classifier
from ncsn.evaluate.doubt import classifier_doubt
from ncsn.evaluate.feature_cache import cached_features
from ncsn.evaluate.inception import inception_weights
from ncsn.evaluate.metrics import (
    feature_statistics,
    floor_features,
    pixel_statistics,
    statistics_distance,
)
from ncsn.evaluate.reference import Summary
from ncsn.evaluate.reference_key import ARRAYS, KEY, WEIGHTS, key_of, other_file
from ncsn.evaluate.torch_fidelity import INCEPTION, metric_layers
from ncsn.maths.frechet import GaussianStatistics


def write_reference(
    folder: str | Path,
    train: Split,
    test: Split,
    params: ReferenceParams,
    seed: int,
    device: torch.device,
    work: str | Path | None = None,
) -> Summary:
    """Makes the reference folder and measures the other split against it: the floor.

    Args:
        folder: is replaced as a whole, when everything went well.
        train: the classifier, where it is the extractor, learns from this split.
        test: gives the classifier's accuracy.
        params: extractor, layer and reference split.
        seed: of the classifier and of KID's subsets.
        device: where the extractor is trained and runs.
        work: folder of unfinished work, in which features of images are kept; None keeps none.

    Returns:
        The reference summary: conditions, accuracy, floors and their counts.

    Raises:
        UserError: labels, weights or images do not fit the params.
    """
    real, other = (train, test) if params.split == "train" else (test, train)
    pixels = pixel_statistics(real.images) if params.pixel_frechet else None
    summary = _conditions(params) | _pixel_floor(other, pixels)
    with whole_folder(folder) as partial:
        weights = partial / WEIGHTS[params.extractor]
        summary |= _write_weights(weights, train, test, params, seed, device)
        features, of_others = (
            _features_of(s, params, weights, device, work) for s in (real, other)
        )
        statistics = feature_statistics(features)
        _write_arrays(partial / ARRAYS, features, statistics, pixels)
        write_npz(partial / other_file(params.split), features=of_others.numpy())
        write_json(partial / KEY, key_of(partial, params, seed, real, other))
        summary |= floor_features(of_others, features, statistics, seed)
    return summary


def _write_weights(
    path: Path,
    train: Split,
    test: Split,
    params: ReferenceParams,
    seed: int,
    device: torch.device,
) -> Summary:
    """Trains the classifier or copies Inception, so that `evaluate` needs nothing but the folder.

    Returns the classifier's accuracy on the test split and that of guessing, and warns of a
    classifier that learnt little; of Inception there is nothing to say.
    """
    if params.extractor == INCEPTION:
        shutil.copyfile(inception_weights(params.weights_path), path)
        return {}
    net = train_classifier(train.images, train.labels, params.classifier_steps, seed, device)
    save_classifier(path, net)
    accuracy = classifier_accuracy(net, test.images, test.labels)
    assert test.labels is not None  # their accuracy was just measured
    guessing = float(np.unique(test.labels, return_counts=True)[1].max() / len(test.images))
    if doubt := classifier_doubt(accuracy, guessing, len(test.images)):
        notice(doubt)
    return {keys.CLASSIFIER_ACCURACY: accuracy, keys.GUESSING_ACCURACY: guessing}


def _conditions(params: ReferenceParams) -> Summary:
    return {
        keys.REFERENCE_EXTRACTOR: params.extractor,
        keys.REFERENCE_FEATURE_LAYER: params.feature_layer,
        keys.REFERENCE_SPLIT: params.split,
    }


def _pixel_floor(other: Split, pixels: GaussianStatistics | None) -> Summary:
    if pixels is None:
        return {}
    floor = statistics_distance(pixel_statistics(other.images), pixels)
    return {keys.FLOOR_PIXEL_FRECHET: floor}


def _features_of(
    split: Split,
    params: ReferenceParams,
    weights: Path,
    device: torch.device,
    work: str | Path | None,
) -> torch.Tensor:
    layer = metric_layers(params.extractor, params.feature_layer).features
    images, extractor = split.images, params.extractor
    return cached_features(images, extractor, [layer], weights, device, work)[layer]


def _write_arrays(
    path: Path,
    features: torch.Tensor,
    statistics: GaussianStatistics,
    pixels: GaussianStatistics | None,
) -> None:
    arrays = {"features": features, **statistics._asdict()}
    if pixels is not None:
        arrays |= {f"pixel_{name}": value for name, value in pixels._asdict().items()}
    write_npz(path, **{name: value.numpy() for name, value in arrays.items()})

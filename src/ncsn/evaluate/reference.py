"""The real side of the evaluation, kept in a folder.

The folder holds the extractor's weights, the features of the reference split and their
statistics, the features of the other split, and `extractor.json`: the key that says what they were
made from. A folder that does not match its own key, the params or the data is refused, so that no
stale number comes out.
"""

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ncsn.base import metric_names as keys
from ncsn.base.errors import UserError
from ncsn.base.files import read_npz, whole_folder, write_json, write_npz
from ncsn.base.progress import notice
from ncsn.base.reading import opened, remake_hint
from ncsn.base.records import ReferenceKey, read_record
from ncsn.config.params import ReferenceParams
from ncsn.config.paths import PathsParams
from ncsn.data.split import Split, load_split, split_sha256
from ncsn.evaluate.classifier import MAKER, classifier_accuracy, save_classifier, train_classifier
from ncsn.evaluate.doubt import classifier_doubt
from ncsn.evaluate.feature_cache import cached_features
from ncsn.evaluate.inception import inception_weights
from ncsn.evaluate.metrics import (
    feature_statistics,
    floor_features,
    pixel_statistics,
    statistics_distance,
)
from ncsn.evaluate.torch_fidelity import CLASSIFIER, INCEPTION, metric_layers
from ncsn.maths.frechet import GaussianStatistics

ARRAYS, KEY = "reference.npz", "extractor.json"
OTHER_FEATURES = "{}_features.npz"  # by the split that is not the reference
OTHER_SPLIT = {"train": "test", "test": "train"}
WEIGHTS = {CLASSIFIER: "classifier.pt", INCEPTION: "inception.pt"}

Summary = dict[str, float | str]  # by the names in `metric_names`


class Reference(NamedTuple):
    """What `evaluate` needs of the real images.

    Attributes:
        key: the content of extractor.json.
        weights: file of the extractor's state dict.
        features: (M,D) float32.
        statistics: of the features.
        pixels: of the images in [0, 1], or None where reference.pixel_frechet is false.
    """

    key: dict[str, Any]
    weights: Path
    features: torch.Tensor
    statistics: GaussianStatistics
    pixels: GaussianStatistics | None


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
        write_npz(partial / _other_file(params.split), features=of_others.numpy())
        write_json(partial / KEY, _key(partial, params, seed, real, other))
        summary |= floor_features(of_others, features, statistics, seed)
    return summary


def read_reference(
    folder: str | Path, params: ReferenceParams, seed: int, data_summary: dict[str, Any]
) -> Reference:
    """Reads what `write_reference` wrote, if it is what these params and data would give.

    Args:
        folder: the reference folder.
        params: as given to `write_reference`.
        seed: as given to `write_reference`.
        data_summary: of stage `prepare`; holds the content hash of each split.

    Returns:
        The content of the folder.

    Raises:
        UserError: the folder is missing, damaged, or was made from something else.
    """
    folder = Path(folder)
    key, weights = read_record(folder / KEY, ReferenceKey), folder / WEIGHTS[params.extractor]
    expected = _deciding_params(params, seed) | {
        "data_sha256": data_summary[params.split]["sha256"]
    }
    _check(folder, key, expected)
    found = {name: _sha256(file) for name, file in _files(folder, weights).items()}
    _check(folder, key, found)
    arrays = read_npz(folder / ARRAYS)
    pixels = _statistics(arrays, "pixel_", folder) if params.pixel_frechet else None
    features = _features(arrays, folder / ARRAYS)
    return Reference(key, weights, features, _statistics(arrays, "", folder), pixels)


class RealSplits(NamedTuple):
    """The two splits of real images by what they are for."""

    train: Split
    reference: Split
    other: Split


def load_splits(paths: PathsParams, params: ReferenceParams) -> RealSplits:
    """Reads both splits, of which `reference.split` names the reference."""
    train, test = load_split(paths.train_images), load_split(paths.test_images)
    return RealSplits(train, *((train, test) if params.split == "train" else (test, train)))


def read_train_features(
    folder: str | Path, reference: Reference, data_summary: dict[str, Any]
) -> torch.Tensor:
    """Returns the features of the training images, (N,D) float32, in their order.

    Args:
        folder: the reference folder.
        reference: what `read_reference` gave for it.
        data_summary: of stage `prepare`.

    Raises:
        UserError: they are missing, damaged, or of other images.
    """
    if reference.key["split"] == "train":
        return reference.features
    return read_other_features(folder, reference, data_summary)


def read_other_features(
    folder: str | Path, reference: Reference, data_summary: dict[str, Any]
) -> torch.Tensor:
    """Returns the features of the split that is not the reference; as `read_train_features`."""
    folder, split = Path(folder), reference.key["split"]
    expected = _other_key(folder, split, data_summary[OTHER_SPLIT[split]]["sha256"])
    _check(folder, reference.key, expected)
    path = folder / _other_file(split)
    return _features(read_npz(path), path)


def _features(arrays: Mapping[str, np.ndarray], path: Path) -> torch.Tensor:
    features = arrays.get("features")
    if features is None or features.ndim != 2 or features.dtype != np.float32:
        raise UserError(f"{path}: 'features' must be float32 of shape (N, D){remake_hint(MAKER)}")
    return torch.from_numpy(features)


def _statistics(arrays: Mapping[str, np.ndarray], prefix: str, folder: Path) -> GaussianStatistics:
    mean, cov = (arrays.get(f"{prefix}{name}", np.empty(0)) for name in ("mean", "cov"))
    if mean.ndim != 1 or mean.size == 0 or cov.shape != (mean.size, mean.size):
        raise UserError(
            f"{folder / ARRAYS}: '{prefix}mean' and '{prefix}cov' must have shapes (D,) and "
            f"(D, D){remake_hint(MAKER)}"
        )
    return GaussianStatistics(torch.from_numpy(mean), torch.from_numpy(cov))


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


def _key(
    folder: Path, params: ReferenceParams, seed: int, real: Split, other: Split
) -> dict[str, Any]:
    """What the folder was made from, and the hashes of what it holds."""
    files = _files(folder, folder / WEIGHTS[params.extractor])
    return {
        **_deciding_params(params, seed),
        "num_images": len(real.images),
        "image_shape": list(real.images.shape[1:]),
        "data_sha256": split_sha256(real),
        **{name: _sha256(file) for name, file in files.items()},
        **_other_key(folder, params.split, split_sha256(other)),
    }


def _other_file(reference_split: str) -> str:
    return OTHER_FEATURES.format(OTHER_SPLIT[reference_split])


def _other_key(folder: Path, reference_split: str, data_sha256: str) -> dict[str, str]:
    name = OTHER_SPLIT[reference_split]
    features_sha256 = _sha256(folder / _other_file(reference_split))
    return {f"{name}_data_sha256": data_sha256, f"{name}_features_sha256": features_sha256}


def _deciding_params(params: ReferenceParams, seed: int) -> dict[str, Any]:
    """The params that decide the folder; where weights were copied from decides nothing."""
    return {**params.model_dump(exclude={"weights_path"}), "seed": seed}


def _files(folder: Path, weights: Path) -> dict[str, Path]:
    return {"weights_sha256": weights, "arrays_sha256": folder / ARRAYS}


def _sha256(path: Path) -> str:
    with opened(path, "`dvc repro --force reference`") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(folder: Path, key: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        if key.get(name) != value:
            raise UserError(
                f"{folder} is stale: {name} was {key.get(name)!r} when it was made and is"
                f" {value!r} now; run `dvc repro --force reference`"
            )

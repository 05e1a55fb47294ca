"""The real side of the evaluation, kept in a folder.

The folder holds the extractor's weights, the features of the reference split and their
statistics, the features of the other split, and `extractor.json`: the key that says what they were
made from. A folder that does not match its own key, the params or the data is refused, so that no
stale number comes out.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ncsn.base.errors import UserError
from ncsn.base.files import read_npz
from ncsn.base.reading import remake_hint
from ncsn.base.records import ReferenceKey, read_record
from ncsn.config.params import ReferenceParams
from ncsn.config.paths import PathsParams
from ncsn.data.split import Split, load_split
from ncsn.evaluate.classifier import MAKER
from ncsn.evaluate.reference_key import (
    ARRAYS,
    KEY,
    OTHER_SPLIT,
    WEIGHTS,
    deciding_params,
    file_sha256,
    hashed_files,
    other_file,
    other_key,
)
from ncsn.maths.frechet import GaussianStatistics

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
    expected = deciding_params(params, seed) | {
        "data_sha256": data_summary[params.split]["sha256"]
    }
    _check(folder, key, expected)
    found = {name: file_sha256(file) for name, file in hashed_files(folder, weights).items()}
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
    expected = other_key(folder, split, data_summary[OTHER_SPLIT[split]]["sha256"])
    _check(folder, reference.key, expected)
    path = folder / other_file(split)
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


def _check(folder: Path, key: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        if key.get(name) != value:
            raise UserError(
                f"{folder} is stale: {name} was {key.get(name)!r} when it was made and is"
                f" {value!r} now; run `dvc repro --force reference`"
            )

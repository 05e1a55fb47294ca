"""Makes the two splits and the summary, from which all other stages start.

`sources` gives the images of a data set by name, `images` crops, resizes and stacks them,
`statistics` describes them.
"""

import hashlib
from typing import Any, NamedTuple

import numpy as np
import torch

from ncsn.base.errors import UserError
from ncsn.base.rng import generator
from ncsn.config.params import DataParams
from ncsn.data.images import ImageList, RawSplits, fitted_split, size_text
from ncsn.data.labels import check_labels
from ncsn.data.sources import SOURCES
from ncsn.data.split import Split
from ncsn.data.statistics import pairwise_distances, split_summary


class PreparedData(NamedTuple):
    """What `prepare` returns.

    Attributes:
        train: images that are trained on.
        test: images held out.
        summary: name, count, shape, pixel statistics (0..255) and content hash of each split, and
            the largest and median Euclidean distance between training images (pixels in [0, 1]);
            `notices`, where there are any: lines about what was passed over or converted.
    """

    train: Split
    test: Split
    summary: dict[str, Any]


def prepare(params: DataParams, seed: int, extractor: str | None = None) -> PreparedData:
    """Reads the data set `params.name`, cropped, resized and reduced as `params` say.

    The same params and seed give the same images in the same order. The seed decides which images
    are held out where the source has no test split, which ones num_train and num_test keep, and
    which enter the distances. Images keep the order of their source.

    Args:
        params: the section data.
        seed: as above.
        extractor: value of reference.extractor, which the labels must suit (see `labels`), checked
            before any image is read; None checks nothing.

    Returns:
        Both splits and their summary.

    Raises:
        UserError: the data cannot be found or read (see `sources`), images differ in size, a split
            would have fewer than 2 images, num_train or num_test exceeds the images there are,
            or the labels do not suit the extractor.
    """
    raw = SOURCES[params.name](params)
    held_out = None if raw.test else _held_out(raw.train, params, seed)
    train_indices, test_indices = _chosen(raw, held_out, params, seed)
    if extractor is not None:
        known = ((raw.train, train_indices), (raw.test or raw.train, test_indices))
        check_labels(extractor, *(_labels(images, indices) for images, indices in known))
    train = fitted_split(raw.train, train_indices, params.center_crop, params.image_size)
    test = fitted_split(raw.test or raw.train, test_indices, params.center_crop, params.image_size)
    if train.images.shape[1:] != test.images.shape[1:]:
        raise UserError(
            f"data.name '{params.name}': train images are {size_text(train.images.shape[1:])}, "
            f"test images {size_text(test.images.shape[1:])}; they must agree"
        )
    summary: dict[str, Any] = {
        "name": params.name,
        "train": split_summary(train),
        "test": split_summary(test),
        "pairwise": pairwise_distances(train.images, seed)._asdict(),
    }
    if twice := _in_both(train, test):
        raw.remarks.sentences.append(f"in both splits: {twice:,} of the test images")
    if notices := raw.remarks.lines():
        summary["notices"] = notices
    return PreparedData(train, test, summary)


def _labels(images: ImageList, indices: np.ndarray) -> np.ndarray | None:
    return None if images.labels is None else images.labels[indices]


def _in_both(train: Split, test: Split) -> int:
    """Number of test images whose pixels are those of a training image."""
    known = {_digest(image) for image in train.images}
    return sum(_digest(image) in known for image in test.images)


def _digest(image: np.ndarray) -> bytes:
    return hashlib.blake2b(image.tobytes(), digest_size=16).digest()


def _held_out(images: ImageList, params: DataParams, seed: int) -> np.ndarray:
    """True for the images of the test split, bool, shape (num_images,)."""
    num_test = round(images.num_images * params.test_fraction)
    mask = np.zeros(images.num_images, bool)
    mask[_random_indices(images.num_images, num_test, seed, "split")] = True
    return mask


def _chosen(
    raw: RawSplits, held_out: np.ndarray | None, params: DataParams, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    if held_out is not None:
        train, test = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    else:
        assert raw.test is not None
        train, test = np.arange(raw.train.num_images), np.arange(raw.test.num_images)
    return (
        _subset(train, params.num_train, "train", params, seed),
        _subset(test, params.num_test, "test", params, seed),
    )


def _subset(
    indices: np.ndarray, num: int | None, split: str, params: DataParams, seed: int
) -> np.ndarray:
    if num is not None and num > len(indices):
        raise UserError(
            f"data.num_{split} (value {num}): must be at most {len(indices)}, the number of "
            f"{split} images of data.name '{params.name}'"
        )
    if num is not None:
        indices = indices[_random_indices(len(indices), num, seed, f"num_{split}")]
    if len(indices) < 2:
        raise UserError(
            f"data.name '{params.name}': the {split} split has {len(indices)} images, at least 2 "
            f"are needed; see data.test_fraction and data.num_{split}"
        )
    return indices


def _random_indices(count: int, num: int, seed: int, purpose: str) -> np.ndarray:
    """`num` different indices below `count`, in order, drawn from (seed, "data", purpose)."""
    order = torch.randperm(count, generator=generator(seed, "data", purpose))
    return order[:num].sort().values.numpy()

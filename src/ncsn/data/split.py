"""A split of a data set as `prepare` writes it: uint8 images and, where there are any, labels.

Only numpy here, so that reports can read images without torch; `arrays` has the tensor side.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ncsn.base.errors import UserError
from ncsn.base.files import REPRO, read_npz, write_npz
from ncsn.base.reading import remake_hint


class Split(NamedTuple):
    """Images of one split.

    Attributes:
        images: uint8, shape (N, H, W, C).
        labels: class of each image, int64, shape (N,), or None.
    """

    images: np.ndarray
    labels: np.ndarray | None


def load_split(path: str | Path) -> Split:
    """Reads a split that `write_split` wrote.

    Raises:
        UserError: the file is missing, or its arrays are not those of a split.
    """
    arrays = read_npz(path)
    images, labels = checked_images(arrays, "images", path), arrays.get("labels")
    if labels is not None and (labels.shape != (len(images),) or labels.dtype != np.int64):
        raise UserError(
            f"{path}: 'labels' must be int64 of shape ({len(images)},), found {labels.dtype} of "
            f"shape {labels.shape}{remake_hint(REPRO)}"
        )
    return Split(images, labels)


def checked_images(arrays: Mapping[str, np.ndarray], name: str, path: str | Path) -> np.ndarray:
    """Returns images of an archive that a stage wrote, uint8, shape (N, H, W, C), C 1 or 3.

    Args:
        arrays: all arrays of the archive.
        name: name of the images in it.
        path: place of the archive, for messages.

    Raises:
        UserError: there are none, or their type or shape is another.
    """
    images = arrays.get(name)
    if (
        images is None
        or images.dtype != np.uint8
        or images.ndim != 4
        or images.shape[3] not in (1, 3)
        or images.size == 0
    ):
        found = "nothing" if images is None else f"{images.dtype} of shape {images.shape}"
        raise UserError(
            f"{path}: '{name}' must be uint8 of shape (N, H, W, C), C 1 or 3, found "
            f"{found}{remake_hint(REPRO)}"
        )
    return images


def write_split(path: str | Path, split: Split) -> None:
    """Writes `images` and, unless None, `labels` to a .npz archive."""
    if split.labels is None:
        write_npz(path, images=split.images)
    else:
        write_npz(path, images=split.images, labels=split.labels)


def split_sha256(split: Split) -> str:
    """Returns the SHA-256 of dtypes, shapes and bytes of the arrays, whatever the file format."""
    digest = hashlib.sha256()
    for name, array in zip(split._fields, split, strict=True):
        if array is not None:
            digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()

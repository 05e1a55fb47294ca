"""A split of a data set as `prepare` leaves it: uint8 images and, where there are any, labels.

Only numpy here, so that reports can read images without torch; `arrays` has the tensor side.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ncsn.errors import UserError
from ncsn.io import read_npz, write_npz


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
    images, labels = arrays.get("images"), arrays.get("labels")
    if images is None or images.dtype != np.uint8 or images.ndim != 4:
        found = "nothing" if images is None else f"{images.dtype} of shape {images.shape}"
        raise UserError(f"{path}: 'images' must be uint8 of shape (N, H, W, C), found {found}")
    if labels is not None and labels.shape != (len(images),):
        raise UserError(f"{path}: 'labels' must have shape ({len(images)},), found {labels.shape}")
    return Split(images, labels)


def write_split(path: str | Path, split: Split) -> None:
    """Writes `images` and, unless None, `labels` to a .npz archive."""
    if split.labels is None:
        write_npz(path, images=split.images)
    else:
        write_npz(path, images=split.images, labels=split.labels)


def split_sha256(split: Split) -> str:
    """Returns the SHA-256 of dtypes, shapes and bytes of the arrays; no file format enters it."""
    digest = hashlib.sha256()
    for name, array in zip(split._fields, split, strict=True):
        if array is not None:
            digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()

"""Readers of the file formats of data sets: IDX, CIFAR's binary archive, .npz.

All give uint8 images (N,H,W,C) and int64 labels, and name the file that is malformed. None
unpickles and none writes files: archive members are read in place. `folders` reads folders.
"""

import gzip
import math
import tarfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ncsn.data.split import Split
from ncsn.errors import UserError

GZIP_MAGIC = b"\x1f\x8b"
_IDX_UINT8 = 8
_CIFAR_SHAPE = (3, 32, 32)
_CIFAR_ROW = 1 + math.prod(_CIFAR_SHAPE)  # the label, then the planes
_CIFAR_BATCH = 10_000
_CIFAR_FOLDER = "cifar-10-batches-bin"
_CIFAR_TRAIN = [f"{_CIFAR_FOLDER}/data_batch_{number}.bin" for number in range(1, 6)]
_CIFAR_TEST = [f"{_CIFAR_FOLDER}/test_batch.bin"]


def read_idx(path: str | Path) -> np.ndarray:
    """Reads an IDX file of bytes, gzipped or not, whatever its name says.

    Returns:
        uint8, of the shape that the file declares.

    Raises:
        UserError: truncated, not IDX, another element type than bytes, or of a wrong length.
    """
    content = _content(Path(path))
    if len(content) < 4 or content[:2] != b"\0\0" or content[3] == 0:
        raise UserError(f"{path}: not an IDX file (starts with {content[:4].hex() or 'nothing'})")
    if content[2] != _IDX_UINT8:
        raise UserError(f"{path}: IDX element type must be 08 (bytes), found {content[2]:02x}")
    header = 4 + 4 * content[3]
    if len(content) < header:
        raise UserError(f"{path}: ends inside its IDX header")
    shape = tuple(np.frombuffer(content[4:header], ">u4").tolist())
    if len(content) != header + math.prod(shape):
        raise UserError(
            f"{path}: IDX shape {shape} needs {header + math.prod(shape)} bytes, found "
            f"{len(content)}"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def read_idx_split(images_path: str | Path, labels_path: str | Path) -> Split:
    """Reads a pair of IDX files, images (N, H, W) and labels (N,).

    Raises:
        UserError: one of them is malformed, or their counts differ.
    """
    images, labels = read_idx(images_path), read_idx(labels_path)
    if images.ndim != 3:
        raise UserError(f"{images_path}: images must have 3 axes, found shape {images.shape}")
    if labels.shape != images.shape[:1]:
        raise UserError(f"{labels_path}: {len(images)} labels needed, found shape {labels.shape}")
    return Split(images[..., None], labels.astype(np.int64))


def read_cifar10(path: str | Path) -> tuple[Split, Split]:
    """Reads the train and test split of CIFAR-10's binary archive (a gzipped tar).

    Only the six batch files are read, by their exact names, into memory; nothing is extracted.

    Raises:
        UserError: not a whole archive, or a batch missing, doubled, not a regular file or of a
            wrong length.
    """
    batches: dict[str, np.ndarray] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                if member.name in (*_CIFAR_TRAIN, *_CIFAR_TEST):
                    if member.name in batches:
                        raise UserError(f"{path}: holds {member.name} twice")
                    batches[member.name] = _cifar_batch(archive, member, path)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: not a whole gzipped tar archive ({error})") from None
    return _cifar_split(batches, _CIFAR_TRAIN, path), _cifar_split(batches, _CIFAR_TEST, path)


def read_npz_splits(path: str | Path) -> tuple[Split, Split | None]:
    """Reads the user's archive: `x_train`, `x_test` [, `y_train`, `y_test`], or `train`, `test`,
    or one array `images` or `arr_0` [, `labels`].

    Returns:
        Train and test split; the second is None where the archive holds one array.

    Raises:
        UserError: not a .npz archive, pickled objects, none of the names, images that are not
            uint8 of shape (N, H, W[, C]) with C 1 or 3, or labels that are not N integers.
    """
    try:
        archive = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"data.path (value {str(path)!r}): no such file") from None
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a .npz archive of arrays ({error})") from None
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise UserError(f"{path}: a single .npy array; save it as .npz under the name 'images'")
    with archive:
        return _npz_splits(archive, path)


def _npz_splits(archive: Any, path: str | Path) -> tuple[Split, Split | None]:
    names = set(archive.files)
    for train, test, labels in (("x_train", "x_test", "y_"), ("train", "test", None)):
        if {train, test} <= names:
            y_train, y_test = (f"{labels}train", f"{labels}test") if labels else (None, None)
            return (
                _npz_split(archive, train, y_train, path),
                _npz_split(archive, test, y_test, path),
            )
    for images in ("images", "arr_0"):
        if images in names:
            return _npz_split(archive, images, "labels", path), None
    raise UserError(
        f"{path}: holds {', '.join(sorted(names)) or 'nothing'}; needed are x_train and x_test, "
        "or train and test, or images, or arr_0"
    )


def _npz_split(archive: Any, images_name: str, labels_name: str | None, path: str | Path) -> Split:
    images = _npz_array(archive, images_name, path)
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise UserError(
            f"{path}: '{images_name}' must be uint8 of shape (N, H, W) or (N, H, W, C), found "
            f"{images.dtype} of shape {images.shape}"
        )
    images = images[..., None] if images.ndim == 3 else images
    if images.shape[-1] not in (1, 3):
        hint = "; the channels come last" if images.shape[1] in (1, 3) else ""
        raise UserError(
            f"{path}: '{images_name}' must have 1 or 3 channels, found shape {images.shape}{hint}"
        )
    if labels_name is None or labels_name not in archive.files:
        return Split(images, None)
    labels = _npz_array(archive, labels_name, path)
    if not np.issubdtype(labels.dtype, np.integer) or labels.size != len(images):
        raise UserError(
            f"{path}: '{labels_name}' must be {len(images)} integers, found {labels.dtype} of "
            f"shape {labels.shape}"
        )
    return Split(images, labels.reshape(-1).astype(np.int64))


def _npz_array(archive: Any, name: str, path: str | Path) -> np.ndarray:
    try:
        array: np.ndarray = archive[name]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: '{name}' cannot be read ({error})") from None
    return array


def _cifar_batch(
    archive: tarfile.TarFile, member: tarfile.TarInfo, path: str | Path
) -> np.ndarray:
    stream = archive.extractfile(member) if member.isreg() else None
    if stream is None:
        raise UserError(f"{path}: {member.name} is not a regular file")
    if member.size != _CIFAR_BATCH * _CIFAR_ROW:
        raise UserError(
            f"{path}: {member.name} must have {_CIFAR_BATCH * _CIFAR_ROW} bytes, found "
            f"{member.size}"
        )
    return np.frombuffer(stream.read(), np.uint8).reshape(_CIFAR_BATCH, _CIFAR_ROW)


def _cifar_split(batches: dict[str, np.ndarray], names: Sequence[str], path: str | Path) -> Split:
    missing = [name for name in names if name not in batches]
    if missing:
        raise UserError(f"{path}: lacks {', '.join(missing)}")
    rows = np.concatenate([batches[name] for name in names])
    images = rows[:, 1:].reshape(-1, *_CIFAR_SHAPE).transpose(0, 2, 3, 1)
    return Split(np.ascontiguousarray(images), rows[:, 0].astype(np.int64))


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if content[:2] != GZIP_MAGIC:
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UserError(f"{path}: not a whole gzip file ({error})") from None

"""Readers of the file formats of data sets: IDX, CIFAR's binary archive, .npz.

All return uint8 images (N,H,W,C) and int64 labels, and name a malformed file. None unpickles, and
none writes files: archive members are read in place. None reads more than the header declares and
the format allows. `folders` reads folders.
"""

import gzip
import math
import os
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ncsn.base.errors import Missing, UserError
from ncsn.base.npz import MAX_BYTES, MAX_RATIO, NPY_MAGIC, Archive, opened_npz
from ncsn.base.reading import described, one_line, opened
from ncsn.data.split import Split

GZIP_MAGIC = b"\x1f\x8b"
_IDX_UINT8 = 8
_CIFAR_SHAPE = (3, 32, 32)
_CIFAR_ROW = 1 + math.prod(_CIFAR_SHAPE)  # the label, then the planes
_CIFAR_BATCH = 10_000
_CIFAR_LIMIT = 2**28  # bytes; the archive's content has 184,380,000
# tarfile raises one of these, depending on where an archive is broken
_BROKEN_TAR = (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, ValueError, OverflowError)
_CIFAR_FOLDER = "cifar-10-batches-bin"
_CIFAR_TRAIN = [f"{_CIFAR_FOLDER}/data_batch_{number}.bin" for number in range(1, 6)]
_CIFAR_TEST = [f"{_CIFAR_FOLDER}/test_batch.bin"]


def read_idx(path: str | Path) -> np.ndarray:
    """Reads an IDX file of bytes, gzipped or not, whatever its name says.

    Returns:
        uint8, of the shape that the file declares.

    Raises:
        UserError: the file is not IDX, holds other elements than bytes, or is cut or too long.
    """
    with opened(path, None) as file:
        size = os.fstat(file.fileno()).st_size
        is_gzip = file.read(2) == GZIP_MAGIC
        file.seek(0)
        try:
            with gzip.open(file) if is_gzip else file as stream:
                return _idx_array(stream, path, size, is_gzip)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(f"{path}: not a whole gzip file ({one_line(error)})") from None


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
        UserError: the archive is cut, or a batch is missing, there twice, not a regular file or of
            a wrong length.
    """
    batches: dict[str, np.ndarray] = {}
    try:
        with (
            opened(path, None) as file,
            _Bounded(fileobj=file, mode="rb") as content,
            tarfile.open(fileobj=content, mode="r:") as archive,
        ):
            for member in archive:
                if member.name in (*_CIFAR_TRAIN, *_CIFAR_TEST):
                    if member.name in batches:
                        raise UserError(f"{path}: holds {member.name} twice")
                    batches[member.name] = _cifar_batch(archive, member, path)
    except UserError:
        raise
    except _BROKEN_TAR as error:
        reason = one_line(error)
        raise UserError(f"{path}: not a whole gzipped tar archive ({reason})") from None
    return _cifar_split(batches, _CIFAR_TRAIN, path), _cifar_split(batches, _CIFAR_TEST, path)


def read_npz_splits(path: str | Path) -> tuple[Split, Split | None]:
    """Reads the user's archive: `x_train`, `x_test` [, `y_train`, `y_test`], or `train`, `test`,
    or one array `images` or `arr_0` [, `labels`].

    Other arrays and other files in it are passed over.

    Returns:
        Train and test split; the second is None where the archive holds one array.

    Raises:
        UserError: the file is no .npz archive, holds pickled objects under these names or none of
            them, its images are not uint8 of shape (N, H, W[, C]) with C 1 or 3, or its labels
            are not N integers.
    """
    try:
        with opened(path, None) as file:
            if file.read(len(NPY_MAGIC)) == NPY_MAGIC:
                hint = "save it as .npz under the name 'images'"
                raise UserError(f"{path}: a single .npy array; {hint}")
        with opened_npz(path, None) as archive:
            return _npz_splits(archive, path)
    except Missing:
        raise UserError(f"data.path (value {str(path)!r}): no such file") from None


def _npz_splits(archive: Archive, path: str | Path) -> tuple[Split, Split | None]:
    names = set(archive.names)
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


def _npz_split(
    archive: Archive, images_name: str, labels_name: str | None, path: str | Path
) -> Split:
    _check_images(archive, images_name, path)
    has_labels = labels_name in archive.names
    if labels_name is not None and has_labels:
        _check_labels(archive, labels_name, archive.header(images_name).shape[0], path)
    images = archive.array(images_name)
    images = images[..., None] if images.ndim == 3 else images
    if labels_name is None or not has_labels:
        return Split(images, None)
    return Split(images, archive.array(labels_name).reshape(-1).astype(np.int64))


def _check_images(archive: Archive, name: str, path: str | Path) -> None:
    """Checks the header alone, so that nothing is read that will be refused."""
    dtype, shape = archive.header(name)[:2]
    if dtype != np.uint8 or len(shape) not in (3, 4):
        raise UserError(
            f"{path}: '{name}' must be uint8 of shape (N, H, W) or (N, H, W, C), found "
            f"{dtype} of shape {shape}"
        )
    if len(shape) == 4 and shape[-1] not in (1, 3):
        hint = "; the channels come last" if shape[1] in (1, 3) else ""
        raise UserError(f"{path}: '{name}' must have 1 or 3 channels, found shape {shape}{hint}")
    if 0 in shape[1:]:
        raise UserError(f"{path}: '{name}' holds images without pixels, found shape {shape}")


def _check_labels(archive: Archive, name: str, count: int, path: str | Path) -> None:
    dtype, shape = archive.header(name)[:2]
    # numbers beyond int64 would change their sign
    if dtype.kind not in "iu" or dtype == np.uint64 or math.prod(shape) != count:
        raise UserError(
            f"{path}: '{name}' must be {count} integers (int64 or smaller), found {dtype} of "
            f"shape {shape}"
        )


def _idx_array(
    stream: BinaryIO | gzip.GzipFile, path: str | Path, size: int, is_gzip: bool
) -> np.ndarray:
    """Reads the array of an IDX stream; its file has `size` bytes."""
    start = stream.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[3] == 0:
        raise UserError(f"{path}: not an IDX file, {described(start + stream.read(64))}")
    if start[2] != _IDX_UINT8:
        raise UserError(f"{path}: IDX element type must be 08 (bytes), found {start[2]:02x}")
    sizes = stream.read(4 * start[3])
    if len(sizes) < 4 * start[3]:
        raise UserError(f"{path}: ends inside its IDX header")
    shape = tuple(np.frombuffer(sizes, ">u4").tolist())
    header, count = len(start + sizes), math.prod(shape)
    needed, found = header + count, f"{size} compressed ones" if is_gzip else str(size)
    rule = f"{path}: IDX shape {shape} needs {needed} bytes"
    if needed > min(MAX_BYTES, size * MAX_RATIO if is_gzip else size):
        raise UserError(f"{rule}, found {found}")
    content = stream.read(count)
    if len(content) < count:
        raise UserError(f"{rule}, found {header + len(content)}")
    if stream.read(1):
        raise UserError(f"{rule}, found {'more' if is_gzip else found}")
    return np.frombuffer(content, np.uint8).reshape(shape)


class _Bounded(gzip.GzipFile):
    """A gzip file that raises an error beyond the size of CIFAR-10."""

    def read(self, size: int | None = -1) -> bytes:
        """Reads up to `size` bytes."""
        self._check(self.tell() + (size or 0))
        return super().read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes to `offset`."""
        self._check(offset)
        return super().seek(offset, whence)

    def _check(self, position: int) -> None:
        if position > _CIFAR_LIMIT:
            raise EOFError(f"its content goes beyond {_CIFAR_LIMIT} bytes")


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

"""Folders of images: the user's own, with or without classes and splits, and CelebA.

Files are listed and their headers read first; pixels are read one image at a time, when asked for.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from ncsn.data.images import ImageList, RawSplits
from ncsn.errors import UserError

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_GREY_MODES = ("1", "L", "LA")
_COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
_PARTITION = "list_eval_partition.txt"
_PARTITION_TRAIN, _PARTITION_TEST = "0", "2"  # 1 is CelebA's validation split


def read_folder(path: str | Path) -> RawSplits:
    """Lists a folder of png, jpg and webp images.

    Subfolders `train` and `test` are the splits, where both exist. Within a split, subfolders are
    classes, numbered in the order of their names; without any, there are no labels. Files and
    folders whose name starts with a dot are passed over. Images are grey if all of them are, else
    RGB; transparency is dropped, EXIF rotation applied.

    Raises:
        UserError: no such folder, only one of `train` and `test`, no images, images both beside
            and in class folders, a class that only `test` has, or an image that cannot be read.
    """
    root = _folder(path)
    halves = [name for name in ("train", "test") if (root / name).is_dir()]
    if not halves:
        classes = _class_names(root)
        files = _labelled_files(root, classes)
        return RawSplits(_image_list(*files, grey=_all_grey(files[0])), None)
    if len(halves) == 1:
        raise UserError(f"{root}: has {halves[0]}/ only; give both train/ and test/, or neither")
    classes = _class_names(root / "train")
    if extra := sorted(set(_class_names(root / "test")) - set(classes)):
        raise UserError(f"{root / 'test'}: class {extra[0]} is not in {root / 'train'}")
    train = _labelled_files(root / "train", classes)
    test = _labelled_files(root / "test", classes)
    grey = _all_grey([*train[0], *test[0]])
    return RawSplits(_image_list(*train, grey=grey), _image_list(*test, grey=grey))


def read_celeba(path: str | Path) -> RawSplits:
    """Lists CelebA's images, split by `list_eval_partition.txt` in the folder or beside it.

    Partition 0 is the train split and 2 the test split; 1 (validation) is in neither. Without the
    file there is no test split.

    Raises:
        UserError: no such folder, no images, or an image that the partition does not name.
    """
    root = _folder(path)
    files = _image_files(root)
    if not files:
        raise UserError(f"{root}: holds no images ({', '.join(_SUFFIXES)})")
    found = [p for p in (root / _PARTITION, root.parent / _PARTITION) if p.is_file()]
    if not found:
        return RawSplits(_image_list(files, None, grey=False), None)
    partition = _partition(found[0])
    if unnamed := [file for file in files if file.name not in partition]:
        raise UserError(f"{found[0]}: does not name {unnamed[0].name}, which is in {root}")
    train, test = (
        _image_list([f for f in files if partition[f.name] == part], None, grey=False)
        for part in (_PARTITION_TRAIN, _PARTITION_TEST)
    )
    return RawSplits(train, test)


def read_image(path: Path, *, grey: bool) -> np.ndarray:
    """Reads an image file as uint8, shape (H, W, 1) if `grey`, else (H, W, 3).

    Raises:
        UserError: not an image, damaged, or with more than 8 bits a channel.
    """
    try:
        with Image.open(path) as image:
            _check_mode(image, path)
            pixels = np.asarray(ImageOps.exif_transpose(image).convert("L" if grey else "RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from None
    return pixels.reshape(*pixels.shape[:2], 1 if grey else 3)


def _image_list(files: Sequence[Path], labels: np.ndarray | None, *, grey: bool) -> ImageList:
    return ImageList(
        len(files),
        lambda index: read_image(files[index], grey=grey),
        lambda index: str(files[index]),
        labels,
    )


def _labelled_files(folder: Path, classes: Sequence[str]) -> tuple[list[Path], np.ndarray | None]:
    loose = _image_files(folder)
    if classes and loose:
        raise UserError(f"{folder}: holds images ({loose[0].name}, ...) beside class folders")
    if not classes and not loose:
        raise UserError(f"{folder}: holds no images ({', '.join(_SUFFIXES)})")
    if not classes:
        return loose, None
    by_class = [_image_files(folder / name, deep=True) for name in classes]
    labels = np.repeat(np.arange(len(classes)), [len(files) for files in by_class])
    return [file for files in by_class for file in files], labels.astype(np.int64)


def _class_names(folder: Path) -> list[str]:
    return sorted(
        child.name
        for child in folder.iterdir()
        if child.is_dir() and not child.name.startswith(".") and _image_files(child, deep=True)
    )


def _image_files(folder: Path, *, deep: bool = False) -> list[Path]:
    """Images in `folder` in the order of their paths; [] where the folder does not exist."""
    found = folder.rglob("*") if deep else folder.glob("*")
    return sorted(
        file
        for file in found
        if file.suffix.lower() in _SUFFIXES and not file.name.startswith(".") and file.is_file()
    )


def _all_grey(files: Sequence[Path]) -> bool:
    return all(_is_grey(file) for file in files)


def _is_grey(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            _check_mode(image, path)
            return image.mode in _GREY_MODES
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from None


def _check_mode(image: Image.Image, path: Path) -> None:
    # Pillow clips 16-bit grey to 255 when it converts, which would leave white images
    if image.mode not in (*_GREY_MODES, *_COLOUR_MODES):
        raise UserError(f"{path}: mode {image.mode}; images must have 8 bits a channel")


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: not a readable image ({error})")


def _partition(path: Path) -> dict[str, str]:
    rows = [line.split() for line in path.read_text().splitlines() if line.strip()]
    if any(len(row) != 2 for row in rows):
        raise UserError(f"{path}: each line must be a file name and 0, 1 or 2")
    return dict(rows)


def _folder(path: str | Path) -> Path:
    if not Path(path).is_dir():
        raise UserError(f"data.path (value {str(path)!r}): no such folder")
    return Path(path)

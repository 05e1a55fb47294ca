"""Folders of images: the user's own, with or without classes and splits, and CelebA.

Files are listed and their headers read first; pixels are read later, one image at a time.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from ncsn.base.errors import UserError
from ncsn.data import celeba
from ncsn.data.decoding import is_grey, read_image
from ncsn.data.images import ImageList, RawSplits
from ncsn.data.listing import IMAGE_SUFFIXES, File, Listing, listed
from ncsn.data.remarks import Remarks
from ncsn.data.split_folders import refuse_inner_splits, split_folders

_Groups = dict[str, list[File]]  # images by folder; under "" those in none


def read_folder(path: str | Path) -> RawSplits:
    """Lists a folder of images (IMAGE_SUFFIXES).

    Subfolders `train` and `test` are the splits, where both exist (see `split_folders`). Within a
    split, subfolders are classes, numbered in the order of their names; without any, there are no
    labels. Files and folders whose names start with a dot are left out; other files are counted.
    All images are grey if each of them is, else RGB.

    Raises:
        UserError: a folder or an image cannot be read, splits are unclear, there are no images,
            some images lie beside class folders, or only `test` has a class.
    """
    root = Path(path)
    found, remarks = listed(root), Remarks()
    images = _images(found, remarks)
    top, filled = _grouped(images, 0), _filled(images)
    halves = split_folders(root, [name for name in top if name])
    if halves is not None:
        return _two_splits(root, halves, top, filled, remarks)
    refuse_inner_splits(root, [name for name in filled if "/" in name])
    files = _labelled(root, top, _class_names(top), root)
    return RawSplits(_image_list(*files, remarks, grey=_all_grey(files[0])), None, remarks)


def _two_splits(
    root: Path, halves: tuple[str, str], top: _Groups, filled: Sequence[str], remarks: Remarks
) -> RawSplits:
    for half in halves:
        inner = [name.removeprefix(f"{half}/") for name in filled if name.startswith(f"{half}/")]
        refuse_inner_splits(root / half, [name for name in inner if "/" in name])
    if beside := sum(len(files) for name, files in top.items() if name not in halves):
        remarks.passed_over[f"image(s) beside {halves[0]}/ and {halves[1]}/"] = beside
    groups = [_grouped(top[half], 1) for half in halves]
    classes, of_test = (_class_names(group) for group in groups)
    if extra := sorted(set(of_test) - set(classes)):
        raise UserError(f"{root / halves[1]}: class {extra[0]} is not in {root / halves[0]}")
    train, test = (
        _labelled(root, group, classes, root / half)
        for group, half in zip(groups, halves, strict=True)
    )
    grey = _all_grey([*train[0], *test[0]])
    return RawSplits(
        _image_list(*train, remarks, grey=grey), _image_list(*test, remarks, grey=grey), remarks
    )


def read_celeba(path: str | Path) -> RawSplits:
    """Lists CelebA's images, split by its own list where that is found (see `celeba`).

    The validation split is in neither. Without the list there is no test split.

    Raises:
        UserError: a folder cannot be read, there are no images, or the list does not name one of
            them.
    """
    root = celeba.image_folder(Path(path))
    found, remarks = listed(root), Remarks()
    groups = _grouped(_images(found, remarks), 0)
    if deeper := sum(len(files) for name, files in groups.items() if name):
        remarks.passed_over["image(s) in subfolders"] = deeper
    files = [root / file.name for file in groups.get("", [])]
    if not files:
        raise _empty(root)
    partition = celeba.partition_file(root)
    if partition is None:
        sought = " or ".join(celeba.PARTITIONS)
        remarks.sentences.append(f"no {sought} found: test images are drawn at random")
        return RawSplits(_image_list(files, None, remarks, grey=False), None, remarks)
    splits = celeba.read_partition(partition)
    if unnamed := [file for file in files if file.name not in splits]:
        raise UserError(f"{partition}: does not name {unnamed[0].name}, which is in {root}")
    if absent := len(splits) - len(files):
        among = f"{absent:,} of the {len(splits):,} images that {partition.name} names"
        remarks.sentences.append(f"missing: {among}")
    parts = {
        part: [file for file in files if splits[file.name] == part]
        for part in (celeba.TRAIN, celeba.VALIDATION, celeba.TEST)
    }
    if validation := len(parts[celeba.VALIDATION]):
        remarks.passed_over["image(s) of the validation split"] = validation
    train, test = (
        _image_list(parts[part], None, remarks, grey=False) for part in (celeba.TRAIN, celeba.TEST)
    )
    return RawSplits(train, test, remarks)


def _images(found: Listing, remarks: Remarks) -> list[File]:
    """The images of a listing; everything else is counted in `remarks`."""
    images = [file for file in found.files if file.is_image]
    remarks.passed_over.update(found.passed_over)
    for file in found.files:
        if not file.is_image:
            suffix = PurePosixPath(file.name).suffix.lower()
            remarks.passed_over[suffix or "file(s) without a suffix"] += 1
    if empty := len(set(found.folders).difference(_filled(images))):
        remarks.passed_over["folder(s) without images"] = empty
    if linked := sum(file.is_linked for file in images):
        remarks.sentences.append(f"followed: links to {linked:,} of the images")
    return images


def _filled(images: Sequence[File]) -> list[str]:
    """Folders that hold an image, at any depth, in the order of the images."""
    filled: dict[str, None] = {}
    for image in images:
        folder = image.name.rpartition("/")[0]
        while folder and folder not in filled:
            filled[folder] = None
            folder = folder.rpartition("/")[0]
    return list(filled)


def _grouped(images: Sequence[File], depth: int) -> _Groups:
    """Images by part number `depth` of their path, in their order; those without it under ""."""
    groups: _Groups = {}
    for image in images:
        parts = image.name.split("/", depth + 1)
        groups.setdefault(parts[depth] if len(parts) > depth + 1 else "", []).append(image)
    return groups


def _class_names(groups: _Groups) -> list[str]:
    return sorted(name for name in groups if name)


def _labelled(
    root: Path, groups: _Groups, classes: Sequence[str], folder: Path
) -> tuple[list[Path], np.ndarray | None]:
    """Files and labels of a split; `folder` names it in messages."""
    loose = [root / file.name for file in groups.get("", [])]
    if classes and loose:
        raise UserError(f"{folder}: holds images ({loose[0].name}, ...) beside class folders")
    if not classes and not loose:
        raise _empty(folder)
    if not classes:
        return loose, None
    by_class = [groups.get(name, []) for name in classes]
    labels = np.repeat(np.arange(len(classes)), [len(files) for files in by_class])
    return [root / file.name for files in by_class for file in files], labels.astype(np.int64)


def _image_list(
    files: Sequence[Path], labels: np.ndarray | None, remarks: Remarks, *, grey: bool
) -> ImageList:
    return ImageList(
        len(files),
        lambda index: read_image(files[index], remarks.converted, grey=grey),
        lambda index: str(files[index]),
        labels,
    )


def _all_grey(files: Sequence[Path]) -> bool:
    return all(is_grey(file) for file in files)


def _empty(folder: Path) -> UserError:
    return UserError(f"{folder}: holds no images ({', '.join(IMAGE_SUFFIXES)})")

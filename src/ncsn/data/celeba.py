"""Where CelebA's aligned images and the list of its splits lie.

It is known as the authors, torchvision and Kaggle distribute it. Kaggle's archive nests the folder
img_align_celeba in another of that name, and its list is a CSV table.
"""

import os
from pathlib import Path

from ncsn.base.errors import UserError
from ncsn.data.listing import IMAGE_SUFFIXES, is_file, is_folder, unreadable

TRAIN, VALIDATION, TEST = "0", "1", "2"
PARTITIONS = ("list_eval_partition.txt", "list_eval_partition.csv")
_IMAGES = "img_align_celeba"
_LISTS = "Eval"  # the authors', beside the parent folder of the images


def image_folder(path: Path) -> Path:
    """Returns `path` or, if it holds no images itself, the folder img_align_celeba inside it."""
    while is_folder(path / _IMAGES) and not _has_images(path):
        path = path / _IMAGES
    return path


def partition_file(images: Path) -> Path | None:
    """Returns the list of the splits, from the images' folder or up to two folders above."""
    above = images.absolute()
    for folder in (above, *above.parents[:2]):
        for name in PARTITIONS:
            for path in (folder / name, folder / _LISTS / name):
                if is_file(path):
                    return path
    return None


def read_partition(path: Path) -> dict[str, str]:
    """Returns TRAIN, VALIDATION or TEST by the file name of each image.

    Raises:
        UserError: the file is not such a list, or it names an image twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not text") from None
    except OSError as error:
        raise unreadable(path, error) from None
    rows = [line.replace(",", " ").split() for line in text.splitlines() if line.strip()]
    if rows and rows[0] == ["image_id", "partition"]:  # Kaggle's header
        rows = rows[1:]
    for row in rows:
        if len(row) != 2 or row[1] not in (TRAIN, VALIDATION, TEST):
            raise UserError(
                f"{path}: each line must be a file name and 0, 1 or 2, found {' '.join(row)!r}"
            )
    if len(partition := dict(rows)) < len(rows):
        raise UserError(f"{path}: names an image twice")
    return partition


def _has_images(folder: Path) -> bool:
    try:
        return any(name.lower().endswith(IMAGE_SUFFIXES) for name in os.listdir(folder))
    except OSError as error:
        raise unreadable(folder, error) from None

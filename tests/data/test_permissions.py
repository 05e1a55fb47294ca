"""Files and folders of the user's that the system does not let us read: one line names each.

A class without permission would otherwise be missing in silence, and its images with it.
"""

import gzip
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from os.path import normpath
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from unprivileged import common_folder, denial

from ncsn.config.params import ReferenceParams
from ncsn.data.decoding import read_image
from ncsn.data.download import RemoteFile, fetched_files
from ncsn.data.fingerprint import data_fingerprint, weights_fingerprint
from ncsn.data.folders import read_folder
from ncsn.data.prepare import prepare
from ncsn.data.readers import read_cifar10, read_idx, read_npz_splits

DENIED = "cannot be read (Permission denied)"
NAMES = tuple(f"{kind}/{number}.png" for kind in ("dog", "cat") for number in range(5))
SPLITS = tuple(f"{split}/{name}" for split in ("train", "test") for name in NAMES)


@pytest.fixture
def photos() -> Iterator[Path]:
    with common_folder() as folder:
        yield folder


@pytest.fixture
def memory() -> Iterator[Path]:
    """A place where every user may write."""
    with common_folder() as folder:
        folder.chmod(0o777)
        yield folder / "memory.json"


def fill(folder: Path, names: tuple[str, ...]) -> None:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number).save(path)


CASES = [  # images, what is forbidden, its mode, what is named
    (NAMES, "dog", 0o000, "dog"),
    (NAMES, "dog", 0o444, "dog/[0-4].png"),  # names can be listed, files cannot be reached
    (NAMES, "dog", 0o111, "dog"),
    (NAMES, "dog/1.png", 0o000, "dog/1.png"),
    (NAMES, ".", 0o000, "."),
    (SPLITS, "test", 0o000, "test"),
    (SPLITS, "train/cat", 0o000, "train/cat"),
]


@pytest.mark.parametrize(("names", "place", "mode", "named"), CASES)
def test_a_folder_of_which_a_part_is_forbidden(
    photos: Path,
    memory: Path,
    data_params: Any,
    names: tuple[str, ...],
    place: str,
    mode: int,
    named: str,
) -> None:
    fill(photos, names)
    params = data_params("folder", path=str(photos))
    reads = (lambda: prepare(params, 1), lambda: data_fingerprint(params, memory))
    for read in reads:
        read()
        assert denial(read) is None
    (photos / place).chmod(mode)
    memory.unlink()
    for read in reads:
        found = denial(read)
        assert found is not None and found.endswith(f": {DENIED}") and "\n" not in found
        assert fnmatch(found.removesuffix(f": {DENIED}"), normpath(photos / named)), found


def test_an_image_that_is_forbidden_after_the_listing(photos: Path) -> None:
    fill(photos, ("a.png",))
    read_image(photos / "a.png", Counter(), grey=True)
    assert denial(lambda: read_image(photos / "a.png", Counter(), grey=True)) is None
    (photos / "a.png").chmod(0)
    found = denial(lambda: read_image(photos / "a.png", Counter(), grey=True))
    assert found == f"{photos}/a.png: {DENIED}"


@pytest.mark.parametrize(
    ("place", "mode"),
    [
        ("celeba", 0o000),
        ("celeba", 0o444),
        ("celeba/img_align_celeba", 0o000),
        ("celeba/img_align_celeba/1.png", 0o000),
        ("celeba/list_eval_partition.txt", 0o000),
        ("celeba/Eval", 0o000),
    ],
)
def test_celeba_of_which_a_part_is_forbidden(
    photos: Path, memory: Path, data_params: Any, place: str, mode: int
) -> None:
    root = photos / "celeba"
    fill(root / "img_align_celeba", tuple(f"{number}.png" for number in range(5)))
    (root / "Eval").mkdir()
    listed = root / ("Eval" if place.endswith("Eval") else "") / "list_eval_partition.txt"
    listed.write_text("0.png 0\n1.png 0\n2.png 0\n3.png 2\n4.png 2\n")
    params = data_params("celeba", path=str(root))
    reads = (lambda: prepare(params, 1), lambda: data_fingerprint(params, memory))
    for read in reads:
        read()
        assert denial(read) is None
    memory.unlink()
    (photos / place).chmod(mode)
    for read in reads:
        found = denial(read)
        assert found is not None and found.endswith(DENIED) and "\n" not in found
        assert found.startswith(str(photos / place))


def test_archives(photos: Path, data_params: Any) -> None:
    images = np.zeros((3, 8, 8), np.uint8)
    np.savez(photos / "a.npz", images=images)
    for name in ("idx.gz", "cifar.tar.gz"):
        (photos / name).write_bytes(gzip.compress(b""))
    for path in photos.iterdir():
        path.chmod(0)
    for read, name in (
        (read_npz_splits, "a.npz"),
        (read_idx, "idx.gz"),
        (read_cifar10, "cifar.tar.gz"),
    ):
        found = denial(lambda read=read, name=name: read(photos / name))  # type: ignore[misc]
        assert found == f"{photos / name}: {DENIED}"
    params = data_params("npz", path=str(photos / "a.npz"))
    assert denial(lambda: data_fingerprint(params, photos / "m")) == f"{photos}/a.npz: {DENIED}"


def test_weights(photos: Path) -> None:
    (photos / "w.pth").write_bytes(b"weights")
    (photos / "w.pth").chmod(0)
    params = ReferenceParams(
        extractor="inception-v3-compat",
        feature_layer="2048",
        weights_path=str(photos / "w.pth"),
        split="test",
        classifier_steps=1,
        pixel_frechet=True,
    )
    found = denial(lambda: weights_fingerprint(params, photos / "memory"))
    assert found == f"{photos}/w.pth: {DENIED}"


@pytest.mark.parametrize(
    ("place", "mode", "message"),
    [
        ("toys/a.bin", 0o000, f"toys/a.bin: {DENIED}"),
        ("toys", 0o000, f"toys/a.bin: {DENIED}"),
        (".", 0o000, f": {DENIED}"),
        (".", 0o555, "toys/.b.bin.part: cannot be written (Permission denied)"),
    ],
)
def test_the_folder_of_downloads(photos: Path, place: str, mode: int, message: str) -> None:
    name = "b.bin" if "written" in message else "a.bin"
    if name == "a.bin":
        (photos / "toys").mkdir()
        (photos / "toys" / "a.bin").write_bytes(b"content")
    (photos / place).chmod(mode)
    file = RemoteFile(name, "0" * 64, "file")
    found = denial(lambda: fetched_files([file], "toys", photos, ["http://127.0.0.1:9/"]))
    assert found is not None and found.endswith(message) and "\n" not in found


def test_a_link_into_a_forbidden_folder_is_no_broken_link(photos: Path) -> None:
    fill(photos, ("photos/a.png", "store/b.png"))
    (photos / "photos" / "b.png").symlink_to(photos / "store" / "b.png")
    read_folder(photos / "photos")
    assert denial(lambda: read_folder(photos / "photos")) is None
    (photos / "store").chmod(0)
    assert denial(lambda: read_folder(photos / "photos")) == f"{photos}/photos/b.png: {DENIED}"

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ncsn.data.folders import read_celeba, read_folder, read_image
from ncsn.data.images import ImageList
from ncsn.errors import UserError


def paint(
    path: Path, value: int = 0, *, mode: str = "RGB", size: tuple[int, int] = (5, 4)
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 0, 0)).convert(mode).save(path)


def reds(images: ImageList) -> list[int]:
    return [int(images.image(i)[0, 0, 0]) for i in range(images.num_images)]


def test_a_plain_folder_in_the_order_of_names(tmp_path: Path) -> None:
    for value, name in enumerate(["b.png", "a.PNG", "d.webp", "c.bmp", ".e.png", "notes.txt"]):
        if name.endswith(("txt", "bmp")):
            (tmp_path / name).write_text("no image")
        else:
            paint(tmp_path / name, 10 * value)
    raw = read_folder(tmp_path)
    assert raw.test is None and raw.train.labels is None
    assert [Path(raw.train.name(i)).name for i in range(3)] == ["a.PNG", "b.png", "d.webp"]
    assert reds(raw.train)[:2] == [10, 0]
    assert raw.train.image(0).shape == (4, 5, 3)


def test_class_folders_become_labels(tmp_path: Path) -> None:
    for name in ("dog/1.png", "cat/1.png", "cat/deep/2.jpg"):
        paint(tmp_path / name)
    (tmp_path / "empty").mkdir()
    raw = read_folder(tmp_path)
    assert raw.train.labels.tolist() == [0, 0, 1] and raw.train.labels.dtype == np.int64


def test_train_and_test_folders_are_the_splits(tmp_path: Path) -> None:
    for value, name in enumerate(["train/b/1.png", "train/a/1.png", "test/b/2.png"]):
        paint(tmp_path / name, value)
    raw = read_folder(tmp_path)
    assert reds(raw.train) == [1, 0] and raw.train.labels.tolist() == [0, 1]
    assert reds(raw.test) == [2] and raw.test.labels.tolist() == [1]


def test_grey_only_if_all_are_grey(tmp_path: Path) -> None:
    paint(tmp_path / "a.png", 9, mode="L")
    paint(tmp_path / "b.png", 9, mode="LA")
    assert read_folder(tmp_path).train.image(1).shape == (4, 5, 1)
    paint(tmp_path / "c.png", 9)
    assert read_folder(tmp_path).train.image(0).shape == (4, 5, 3)


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.new("RGB", (5, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg", grey=False).shape == (5, 4, 3)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "holds no images"),
        (["train/a.png"], "has train/ only"),
        (["test/a.png"], "has test/ only"),
        (["a.png", "dog/b.png"], "beside class folders"),
        (["train/dog/a.png", "test/cat/b.png"], "class cat is not in"),
        (["train/dog/a.png", "test/b.png"], "beside class folders|holds images"),
    ],
)
def test_ambiguous_folders_are_refused(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        paint(tmp_path / name)
    with pytest.raises(UserError, match=message):
        read_folder(tmp_path)


def test_unreadable_images_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        read_folder(tmp_path / "absent")
    deep = np.full((4, 5), 40_000, np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="8 bits a channel"):
        read_folder(tmp_path)
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(UserError, match="a.png: not a readable image"):
        read_folder(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(
        tmp_path / "a.png"
    )
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:3000])
    with pytest.raises(UserError, match="a.png: not a readable image"):
        read_folder(tmp_path).train.image(0)


@pytest.mark.parametrize("beside", [True, False])
def test_celeba_follows_its_partition(tmp_path: Path, beside: bool) -> None:
    folder = tmp_path / "img_align_celeba"
    for value in range(4):
        paint(folder / f"00000{value}.jpg", size=(178, 218))
    assert read_celeba(folder).test is None
    partition = (tmp_path if beside else folder) / "list_eval_partition.txt"
    partition.write_text("000000.jpg 0\n000001.jpg 2\n000002.jpg 1\n000003.jpg 0\nabsent.jpg 2\n")
    raw = read_celeba(folder)
    assert [Path(raw.train.name(i)).stem for i in (0, 1)] == ["000000", "000003"]
    assert raw.train.num_images == 2 and raw.test.num_images == 1
    assert raw.train.image(0).shape == (218, 178, 3)
    paint(folder / "new.jpg")
    with pytest.raises(UserError, match="does not name new.jpg"):
        read_celeba(folder)
    partition.write_text("000000.jpg\n")
    with pytest.raises(UserError, match="each line must be"):
        read_celeba(folder)

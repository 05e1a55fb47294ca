import os
import struct
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ncsn.base.errors import UserError
from ncsn.data.decoding import is_grey, read_image
from ncsn.data.folders import read_celeba, read_folder
from ncsn.data.images import ImageList


def paint(
    path: Path, value: int = 0, *, mode: str = "RGB", size: tuple[int, int] = (5, 4)
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, 0, 0)).convert(mode).save(path)


def reds(images: ImageList) -> list[int]:
    return [int(images.image(i)[0, 0, 0]) for i in range(images.num_images)]


def test_a_plain_folder_in_the_order_of_names(tmp_path: Path) -> None:
    for value, name in enumerate(["b.png", "a.PNG", "d.webp", "c.gif", ".e.png", "notes.txt"]):
        if name.endswith(("txt", "gif")):
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


def test_one_colour_image_in_a_split_makes_both_splits_rgb(tmp_path: Path) -> None:
    paint(tmp_path / "train" / "a.png", 9, mode="L")
    paint(tmp_path / "test" / "a.png", 9)
    raw = read_folder(tmp_path)
    assert raw.test is not None
    assert raw.train.image(0).shape == raw.test.image(0).shape == (4, 5, 3)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_exif_rotation_is_applied(tmp_path: Path, orientation: int) -> None:
    """2 mirrors, 3 turns by half, 4 is both, 5 to 8 are these with a quarter turn."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.new("RGB", (5, 4))
    image.putpixel((0, 0), (255, 0, 0))
    image.save(tmp_path / "a.png", exif=exif)
    converted: Counter[str] = Counter()
    found = read_image(tmp_path / "a.png", converted, grey=False)
    assert found.shape == ((4, 5, 3) if orientation < 5 else (5, 4, 3))
    corners = {2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}
    assert found[corners[orientation]].tolist() == [255, 0, 0] and found.sum() == 255
    assert converted == {"image(s) turned as EXIF says": 1}


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
    with pytest.raises(UserError, match="absent: cannot be read"):
        read_folder(tmp_path / "absent")
    deep = np.full((4, 5), 40_000, np.uint16)
    Image.fromarray(deep).save(tmp_path / "a.png")
    with pytest.raises(UserError, match="8 bits per channel"):
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
    assert Path(raw.test.name(0)).stem == "000001"  # not that of the validation split
    assert raw.train.image(0).shape == (218, 178, 3)
    paint(folder / "new.jpg")
    with pytest.raises(UserError, match="does not name new.jpg"):
        read_celeba(folder)
    partition.write_text("000000.jpg\n")
    with pytest.raises(UserError, match="each line must be"):
        read_celeba(folder)


def remarks(path: Path) -> list[str]:
    """What is said of a folder after all of its images were read."""
    raw = read_folder(path)
    for images in filter(None, (raw.train, raw.test)):
        reds(images)
    return raw.remarks.lines()


@pytest.mark.parametrize(
    ("train", "test"),
    [("training", "testing"), ("Train", "Test"), ("TRAIN", "testing"), ("Training", "TEST")],
)
def test_splits_by_their_usual_names(tmp_path: Path, train: str, test: str) -> None:
    """They were taken for two classes, and the test images were trained on."""
    paint(tmp_path / train / "a.png", 1)
    paint(tmp_path / test / "a.png", 2)
    raw = read_folder(tmp_path)
    assert reds(raw.train) == [1] and reds(raw.test) == [2] and raw.train.labels is None


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (["train", "val"], r"has train/ only; rename val/ to test/"),
        (["Train", "Valid"], r"has Train/ only; rename Valid/ to test/"),
        (["test", "dev"], r"has test/ only; rename dev/ to train/"),
        (["train", "test", "val"], r"val/ beside train/ and test/ looks like a third split"),
        (["train", "test", "Validation"], r"Validation/ beside train/ and test/"),
        (["train", "test", "eval"], r"eval/ beside train/ and test/"),
        (["train", "training", "test"], r"train/ and training/ name the same split"),
        (["train", "Test", "TEST"], r"TEST/ and Test/ name the same split"),
        (["training"], r"has training/ only; give both"),
        (["seg_train", "seg_test"], r"seg_test/, seg_train/ look like splits"),
        (["training_set", "test_set"], r"look like splits; name the splits train/ and test/"),
        (["train2017", "val2017"], "look like splits"),
        (["trainA", "trainB", "testA", "testB"], "look like splits"),
        (["TrainImages", "TestImages"], "look like splits"),
        (["dog/train", "dog/test", "cat"], r"dog/test: looks like a split inside the class dog/"),
        (["faces/Training", "faces/Testing"], r"looks like a split inside .* data.path .*faces"),
        (["train/dog/val", "test/dog"], r"dog/val: looks like a split inside the class dog/"),
        (["train/train", "test/test"], r"class test is not in"),
    ],
)
def test_what_only_looks_like_splits_is_refused(
    tmp_path: Path, folders: list[str], message: str
) -> None:
    for folder in folders:
        paint(tmp_path / folder / "a.png")
    with pytest.raises(UserError, match=message):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    "classes",
    [
        ["crash_test", "dummy"],
        ["invalid", "valid"],
        ["railway", "train_station"],
        ["contest", "strain"],
        ["dog", "val"],
    ],
)
def test_classes_whose_names_only_remind_of_splits(tmp_path: Path, classes: list[str]) -> None:
    for name in classes:
        paint(tmp_path / name / "a.png")
    raw = read_folder(tmp_path)
    assert raw.test is None and raw.train.labels.tolist() == [0, 1]


def test_what_is_passed_over_is_counted_by_kind(tmp_path: Path) -> None:
    paint(tmp_path / "dog" / "a.png")
    for name in ("dog/b.gif", "dog/c.heic", "cat/d.HEIC", "notes.txt", "LICENSE", ".hidden.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "dog" / "self.png").symlink_to(tmp_path / "dog" / "self.png")
    (tmp_path / "dog" / "round").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "dog" / "pipe.png")
    assert remarks(tmp_path) == [
        "passed over: 2 .heic, 2 broken links, 1 .gif, 1 .txt, 1 file without a suffix, "
        "1 folder without images, 1 link to a folder that contains them, 1 special file"
    ]


def test_nothing_is_said_where_nothing_happened(tmp_path: Path) -> None:
    for name in ("dog/a.png", "cat/b.jpg", "cat/c.bmp", "cat/d.tif", "cat/e.ppm", "cat/f.webp"):
        paint(tmp_path / name)
    assert remarks(tmp_path) == []
    assert read_folder(tmp_path).train.num_images == 6


def test_links_are_followed_and_counted(tmp_path: Path) -> None:
    paint(tmp_path / "store" / "dogs" / "a.png", 1)
    paint(tmp_path / "store" / "b.png", 2)
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    (tmp_path / "photos" / "dog").symlink_to(tmp_path / "store" / "dogs")
    (tmp_path / "photos" / "cat" / "b.png").symlink_to(tmp_path / "store" / "b.png")
    assert reds(read_folder(tmp_path / "photos").train) == [2, 1]
    assert remarks(tmp_path / "photos") == ["followed: links to 2 of the images"]


def test_images_beside_the_splits_are_counted(tmp_path: Path) -> None:
    for name in ("train/a.png", "test/b.png", "masks/a.png", "overview.png"):
        paint(tmp_path / name)
    assert remarks(tmp_path) == ["passed over: 2 images beside train/ and test/"]


def test_conversions_are_counted_by_kind(tmp_path: Path) -> None:
    solid, clear = Image.new("RGBA", (5, 4), (9, 0, 0, 255)), Image.new("RGBA", (5, 4))
    solid.save(tmp_path / "solid.png")
    clear.save(tmp_path / "clear.png")
    paint(tmp_path / "ink.jpg", mode="CMYK")
    paint(tmp_path / "grey.png", mode="L")
    paint(tmp_path / "few.png", mode="P")
    Image.new("P", (5, 4)).save(tmp_path / "clear few.png", transparency=0)
    frames = [Image.new("RGB", (5, 4), (value, 0, 0)) for value in (7, 200)]
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:])
    assert remarks(tmp_path) == [
        "converted: 2 palette images to RGB, 2 transparent images (transparency dropped), "
        "1 CMYK image to RGB, 1 grey image to RGB, 1 image with several frames (first taken)"
    ]


def deep_png(colour_type: int, channels: int) -> bytes:
    """A PNG of 2x2 pixels with 16 bits per channel, which Pillow cannot write in colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 2, 2, 16, colour_type, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x12\x34" * 2 * channels) * 2)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize(("colour_type", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_are_refused_in_colour_too(
    tmp_path: Path, colour_type: int, channels: int
) -> None:
    (tmp_path / "a.png").write_bytes(deep_png(colour_type, channels))
    with pytest.raises(UserError, match="a.png: has 16 bits; images must have 8 bits per channel"):
        read_folder(tmp_path)


def rgb_tiff(bits: int) -> bytes:
    """A TIFF of 2x1 pixels in colour; Pillow opens it as 8 bits and drops the others."""
    tags = [(256, 3, 1, 2), (257, 3, 1, 1), (258, 3, 3, 122), (259, 3, 1, 1), (262, 3, 1, 2)]
    tags += [(273, 4, 1, 128), (277, 3, 1, 3), (278, 3, 1, 1), (279, 4, 1, 6 * bits // 8)]
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    assert len(head) == 122
    return head + struct.pack("<3H", bits, bits, bits) + bytes(6 * bits // 8)


def test_deep_tiff_images_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(rgb_tiff(8))
    assert read_image(path, Counter(), grey=False).shape == (1, 2, 3)
    path.write_bytes(rgb_tiff(16))
    with pytest.raises(UserError, match="a.tif: has 16 bits; images must have 8 bits per channel"):
        read_image(path, Counter(), grey=False)


def test_deep_portable_maps_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P6 # note\n2 1 65535\n" + bytes(12))
    with pytest.raises(UserError, match="has 16 bits"):
        read_folder(tmp_path)
    (tmp_path / "a.ppm").write_bytes(b"P6 # note\n2 1 255\n" + bytes(6))
    assert read_folder(tmp_path).train.image(0).shape == (1, 2, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "none of .png"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "none of .png"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "pointer of Git LFS"),
    ],
)
def test_other_content_under_the_name_of_an_image(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_folder(tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged metadata
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "tif", "ppm", "gif"])
def test_damage_anywhere_is_one_line(tmp_path: Path, suffix: str) -> None:
    """Images with bytes overwritten or cut off are read or refused, and nothing else."""
    rng, refused = np.random.default_rng(0), 0
    pixels = rng.integers(0, 256, (9, 8, 3), np.uint8)
    whole = tmp_path / f"whole.{suffix}"
    Image.fromarray(pixels).save(whole)
    content, path = whole.read_bytes(), tmp_path / "a.png"
    for number in range(150):
        damaged = bytearray(content[: rng.integers(1, len(content))] if number % 3 else content)
        for place in rng.integers(0, len(damaged), rng.integers(0, 6)):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged)
        try:
            is_grey(path)
            assert read_image(path, Counter(), grey=False).dtype == np.uint8
        except UserError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
            refused += 1
    assert refused > 50


def test_kaggles_celeba(tmp_path: Path) -> None:
    """Its folder in a folder, its list with commas, and any of the three folders as data.path."""
    folder = tmp_path / "img_align_celeba" / "img_align_celeba"
    for value in range(4):
        paint(folder / f"00000{value}.jpg", size=(178, 218))
    rows = "image_id,partition\n000000.jpg,0\n000001.jpg,2\n000002.jpg,1\n000003.jpg,0\n"
    (tmp_path / "list_eval_partition.csv").write_text(rows + "000004.jpg,2\n")
    for path in (folder, folder.parent, tmp_path):
        raw = read_celeba(path)
        assert raw.train.num_images == 2 and raw.test.num_images == 1
        assert raw.remarks.lines() == [
            "passed over: 1 image of the validation split",
            "missing: 1 of the 5 images that list_eval_partition.csv names",
        ]


@pytest.mark.parametrize("place", ["Eval", "img_align_celeba", "."])
def test_places_of_celebas_list(tmp_path: Path, place: str) -> None:
    for value in range(2):
        paint(tmp_path / "Img" / "img_align_celeba" / f"{value}.jpg")
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "list_eval_partition.txt").write_text("0.jpg 0\n1.jpg 2\n")
    for path in (tmp_path / "Img", tmp_path / "Img" / "img_align_celeba"):
        found = read_celeba(path).test
        assert (found is None) == (place == "img_align_celeba")


def test_a_celeba_without_its_list_says_so(tmp_path: Path) -> None:
    paint(tmp_path / "a.jpg")
    (said,) = read_celeba(tmp_path).remarks.lines()
    assert said.startswith("no list_eval_partition.txt or list_eval_partition.csv found")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.jpg 3\n", "must be a file name and 0, 1 or 2, found 'a.jpg 3'"),
        ("a.jpg,0\na.jpg,2\n", "names an image twice"),
        ("a.jpg 0 0\n", "found 'a.jpg 0 0'"),
    ],
)
def test_lists_that_mean_nothing(tmp_path: Path, text: str, message: str) -> None:
    paint(tmp_path / "a.jpg")
    (tmp_path / "list_eval_partition.txt").write_text(text)
    with pytest.raises(UserError, match=message):
        read_celeba(tmp_path)


def test_images_of_celeba_in_subfolders_are_counted(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "more/c.png"):
        paint(tmp_path / name)
    assert "passed over: 1 image in subfolders" in read_celeba(tmp_path).remarks.lines()

import gzip
import io
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from ncsn.base.errors import UserError
from ncsn.data.readers import read_cifar10, read_idx, read_idx_split, read_npz_splits

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (5, 4, 3), np.uint8)
LABELS = np.array([3, 1, 4, 1, 5], np.uint8)


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_gives_back_what_was_written(tmp_path: Path, pack) -> None:
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.write_bytes(pack(idx(IMAGES)))
    labels.write_bytes(pack(idx(LABELS)))
    split = read_idx_split(images, labels)
    assert split.images.shape == (5, 4, 3, 1)
    np.testing.assert_array_equal(split.images[..., 0], IMAGES)
    np.testing.assert_array_equal(split.labels, LABELS)
    assert split.labels.dtype == np.int64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"PK\3\4", "not an IDX file"),
        (b"\0\0\x0d\1" + bytes(8), "element type must be 08"),
        (b"\0\0\x08\3" + bytes(5), "ends inside its IDX header"),
        (idx(IMAGES)[:-1], "needs 76 bytes, found 75"),
        (idx(IMAGES) + b"x", "needs 76 bytes, found 77"),
        (gzip.compress(idx(IMAGES), mtime=0)[:-9], "not a whole gzip file"),
    ],
)
def test_malformed_idx_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "some-idx"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_idx_images_and_labels_must_fit(tmp_path: Path) -> None:
    images, labels = tmp_path / "images", tmp_path / "labels"
    images.write_bytes(idx(IMAGES))
    labels.write_bytes(idx(LABELS[:4]))
    with pytest.raises(UserError, match="5 labels needed"):
        read_idx_split(images, labels)
    with pytest.raises(UserError, match="3 axes"):
        read_idx_split(labels, labels)


BATCHES = ["test_batch.bin"] + [f"data_batch_{i}.bin" for i in range(1, 6)]


def cifar_rows(batch: int) -> np.ndarray:
    rows = np.zeros((10_000, 3073), np.uint8)
    rows[:, 0] = np.arange(10_000) % 10
    rows[:, 1] = batch  # red, top left
    rows[:, 1 + 1024 + 34] = 7  # green, second row, third column
    return rows


def cifar_archive(path: Path, *, leave_out: str = "", extra: list[tarfile.TarInfo] = ()) -> Path:
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for member in extra:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
        for number, name in enumerate(BATCHES):
            if name != leave_out:
                content = cifar_rows(number).tobytes()
                member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def member(name: str, **attributes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


def test_cifar_rows_are_planes_and_nothing_is_extracted(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    hostile = [
        member("../escaped.bin", size=9),
        member("/tmp/ncsn-escaped.bin", size=9),
        member("cifar-10-batches-bin/link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        member("cifar-10-batches-bin/batches.meta.txt", size=9),
    ]
    train, test = read_cifar10(cifar_archive(folder / "c.tar.gz", extra=hostile))
    assert train.images.shape == (50_000, 32, 32, 3) and test.images.shape == (10_000, 32, 32, 3)
    assert [train.images[i * 10_000, 0, 0, 0] for i in range(5)] == [1, 2, 3, 4, 5]
    assert test.images[0, 1, 2].tolist() == [0, 7, 0]
    np.testing.assert_array_equal(test.labels, np.arange(10_000) % 10)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["c.tar.gz", "in"]
    assert not Path("/tmp/ncsn-escaped.bin").exists()


BATCH = "cifar-10-batches-bin/data_batch_1.bin"


@pytest.mark.parametrize(
    ("leave_out", "extra", "message"),
    [
        ("data_batch_3.bin", [], "lacks cifar-10-batches-bin/data_batch_3.bin"),
        ("", [member(BATCH, size=99)], "must have 30730000 bytes, found 99"),
        ("", [member(BATCH, type=tarfile.SYMTYPE, linkname="/etc/passwd")], "not a regular file"),
        ("", [member(BATCH, type=tarfile.LNKTYPE, linkname="/etc/passwd")], "not a regular file"),
        ("", [member(BATCH, size=30_730_000)], "twice"),
    ],
)
def test_hostile_cifar_archives_are_refused(
    tmp_path: Path, leave_out: str, extra: list[tarfile.TarInfo], message: str
) -> None:
    path = cifar_archive(tmp_path / "c.tar.gz", leave_out=leave_out, extra=extra)
    with pytest.raises(UserError, match=message):
        read_cifar10(path)


@pytest.mark.parametrize("content", [b"", b"PK\3\4", gzip.compress(bytes(99), mtime=0)])
def test_what_is_no_cifar_archive_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.tar.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match="c.tar.gz: "):
        read_cifar10(path)


def test_a_cut_cifar_archive_is_refused(tmp_path: Path) -> None:
    path = cifar_archive(tmp_path / "c.tar.gz")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(UserError, match="not a whole gzipped tar"):
        read_cifar10(path)


COLOUR = RNG.integers(0, 256, (5, 4, 3, 3), np.uint8)
INTS = LABELS.astype(np.int32)


@pytest.mark.parametrize(
    "arrays",
    [
        {"x_train": COLOUR, "x_test": COLOUR[:2], "y_train": INTS[:, None], "y_test": INTS[:2]},
        {"x_train": COLOUR, "x_test": COLOUR[:2], "images": COLOUR[:1], "arr_0": COLOUR[:1]},
        {"train": IMAGES, "test": IMAGES[:2]},
    ],
)
def test_npz_with_two_splits(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    train, test = read_npz_splits(tmp_path / "a.npz")
    first = arrays.get("x_train", arrays.get("train"))
    np.testing.assert_array_equal(train.images, first.reshape(train.images.shape))
    assert len(test.images) == 2 and train.images.ndim == 4
    if "y_train" in arrays:
        assert train.labels.tolist() == LABELS.tolist() and test.labels.dtype == np.int64
    else:
        assert train.labels is None and test.labels is None


@pytest.mark.parametrize("name", ["images", "arr_0"])
def test_npz_with_one_array(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / "a.npz", **{name: IMAGES, "labels": LABELS})
    split, test = read_npz_splits(tmp_path / "a.npz")
    assert test is None and split.images.shape == (5, 4, 3, 1)
    assert split.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": IMAGES}, "holds x; needed are x_train and x_test"),
        ({"images": IMAGES / 255}, "must be uint8 .* found float64"),
        ({"images": IMAGES[0]}, "must be uint8 of shape"),
        ({"images": RNG.integers(0, 9, (5, 3, 8, 8), np.uint8)}, "channels come last"),
        ({"images": RNG.integers(0, 9, (5, 8, 8, 4), np.uint8)}, "1 or 3 channels"),
        ({"images": IMAGES, "labels": LABELS[:4]}, "must be 5 integers"),
        ({"images": IMAGES, "labels": LABELS / 2}, "must be 5 integers"),
        ({"images": IMAGES, "labels": LABELS.astype(np.uint64)}, "must be 5 integers"),
        ({"images": IMAGES[:, :, :0]}, "images without pixels"),
        ({"images": np.array([None, {}], object)}, "plain numbers, never of Python objects"),
    ],
)
def test_npz_of_another_kind_is_refused(tmp_path: Path, arrays: dict, message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match=message):
        read_npz_splits(tmp_path / "a.npz")


class Trap:
    """Leaves a trace when it is unpickled."""

    def __reduce__(self) -> tuple:
        return (exec, ("import pathlib; pathlib.Path('trap-was-sprung').touch()",))


def test_pickles_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("inside.npz", images=np.array([Trap()], object))
    np.array([Trap()], object).dump("bare.npz")
    for name in ("inside.npz", "bare.npz"):
        with pytest.raises(UserError, match=name):
            read_npz_splits(name)
    assert not Path("trap-was-sprung").exists()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\3\4 cut"])
def test_what_is_no_npz_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a (whole )?.npz archive"):
        read_npz_splits(path)
    with pytest.raises(UserError, match="no such file"):
        read_npz_splits(tmp_path / "absent.npz")


def test_a_cut_npz_and_a_bare_npy_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=COLOUR)
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(content[:200] + b"x" + content[201:])
    with pytest.raises(UserError, match="'images' cannot be read"):
        read_npz_splits(tmp_path / "a.npz")
    np.save(tmp_path / "b.npy", COLOUR)
    with pytest.raises(UserError, match="save it as .npz"):
        read_npz_splits(tmp_path / "b.npy")

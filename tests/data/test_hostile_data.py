"""The readers of data sets, given broken files: arrays that obey the contract, or one line.

Nothing is allocated or read by the word of a header, and a bomb is refused by its directory.
"""

import gzip
import io
import os
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hostile_files import broken_bytes, broken_npz, npy_bytes, npz_bytes, outcome
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ncsn.base import npz
from ncsn.base.errors import UserError
from ncsn.data.readers import read_cifar10, read_idx, read_npz_splits
from ncsn.data.split import Split, load_split, write_split

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)
LABELS = np.arange(6) % 3
FOREIGN = {"notes.txt": b"text", "images": b"no array", "__MACOSX/images.npy": b"\0", "x/": b""}
QUICK = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def checked_npz(path: Path) -> Callable[[], None]:
    """Reads the user's archive and holds what comes back against the contract."""

    def read() -> None:
        for split in filter(None, read_npz_splits(path)):
            assert split.images.dtype == np.uint8 and split.images.ndim == 4
            assert split.images.shape[3] in (1, 3)
            if split.labels is not None:
                assert split.labels.dtype == np.int64 and len(split.labels) == len(split.images)

    return read


def checked_idx(path: Path) -> Callable[[], None]:
    return lambda: np.testing.assert_equal(read_idx(path).dtype, np.uint8)


def test_broken_archives_of_the_user(tmp_path: Path) -> None:
    path, found = tmp_path / "a.npz", []
    good = npz_bytes({"images": IMAGES, "labels": LABELS})
    for what, content in [*broken_bytes(good, count=20), *broken_npz(good)]:
        path.write_bytes(content)
        found.append((what, outcome(checked_npz(path), path)))
    assert len(found) >= 80 and sum(result == "refused" for _, result in found) >= 60


def test_an_archive_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    good = npz_bytes({"images": IMAGES[:1, :4, :4]})
    for length in range(len(good)):
        path.write_bytes(good[:length])
        assert outcome(checked_npz(path), path) == "refused", length


def test_foreign_members_are_passed_over(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS, meta=np.array([{}], object))
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        for name, content in FOREIGN.items():
            archive.writestr(name, content)
    split, _ = read_npz_splits(tmp_path / "a.npz")
    np.testing.assert_array_equal(split.images, IMAGES)


@pytest.mark.parametrize("order", [{"fortran_order": True}, {"descr": ">i4"}, {"descr": "<u2"}])
def test_other_orders_of_bytes_and_axes(tmp_path: Path, order: dict[str, Any]) -> None:
    labels = LABELS.astype(order.get("descr", "<i8"))
    images = npy_bytes(IMAGES.T.copy(), shape=IMAGES.shape, **order)
    if "descr" in order:
        images = npy_bytes(IMAGES)
    content = npz_bytes({}, {"images": images, "labels": npy_bytes(labels)})
    (tmp_path / "a.npz").write_bytes(content)
    split, _ = read_npz_splits(tmp_path / "a.npz")
    np.testing.assert_array_equal(split.images, IMAGES)
    assert split.labels.tolist() == LABELS.tolist()


def _patched(content: bytes, offset: int, form: str, value: int) -> bytes:
    """A zip with one field of its only member changed in both of its headers."""
    changed = bytearray(content)
    central = changed.index(b"PK\1\2")
    struct.pack_into(form, changed, offset, value)
    struct.pack_into(form, changed, central + offset + 2, value)
    return bytes(changed)


@pytest.mark.parametrize(
    ("offset", "form", "value", "message"),
    [
        (6, "<H", 1, "is encrypted; write it without a password"),
        (8, "<H", 99, "is compressed by method 99"),
        (8, "<H", 12, "is compressed by method 12"),  # bzip2, which is not bounded while read
        (22, "<I", 2**31, "claims 1280 bytes to give 2147483648, which is impossible"),
    ],
)
def test_lying_directories(
    tmp_path: Path, offset: int, form: str, value: int, message: str
) -> None:
    content = npz_bytes({"images": IMAGES})
    (tmp_path / "a.npz").write_bytes(_patched(content, offset, form, value))
    with pytest.raises(UserError, match=message):
        read_npz_splits(tmp_path / "a.npz")


def test_a_ratio_that_deflate_cannot_give(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", npy_bytes(np.zeros((9, 8, 8, 3), np.uint8)))
        (member,) = archive.infolist()
        packed = member.compress_size
    claimed = 1033 * packed
    content = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "a.npz").write_bytes(_patched(content, 22, "<I", claimed))
    with pytest.raises(UserError, match=f"claims {packed} bytes to give {claimed}, which is imp"):
        read_npz_splits(tmp_path / "a.npz")


@pytest.mark.parametrize("count", [1, 5, 7, 10**5])
def test_an_array_shorter_or_longer_than_its_header_says(tmp_path: Path, count: int) -> None:
    images = npy_bytes(IMAGES, shape=(count, 8, 8, 3))
    (tmp_path / "a.npz").write_bytes(npz_bytes({}, {"images": images}))
    with pytest.raises(UserError, match=rf"needs \d+ bytes, found {len(images)}"):
        read_npz_splits(tmp_path / "a.npz")


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with (
        pytest.warns(UserWarning, match="Duplicate"),
        zipfile.ZipFile(tmp_path / "a.npz", "w") as z,
    ):
        for _ in range(2):
            z.writestr("images.npy", npy_bytes(IMAGES))
    with pytest.raises(UserError, match="'images' is there twice"):
        read_npz_splits(tmp_path / "a.npz")


def test_a_bomb_is_refused_by_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 MiB of zeros in 16 kB, under a limit of 8 MiB in place of 16 GiB."""
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", npy_bytes(np.zeros((2**8, 2**8, 2**8, 1), np.uint8)))
    monkeypatch.setattr(npz, "MAX_BYTES", 2**23)
    begin = time.perf_counter()
    with pytest.raises(UserError, match="at most 8388608 can be held"):
        read_npz_splits(tmp_path / "a.npz")
    assert time.perf_counter() - begin < 0.5


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_idx_file_cut_anywhere_is_refused(tmp_path: Path, pack: Any) -> None:
    path = tmp_path / "images"
    good = pack(idx(IMAGES[:3, :, :, 0]))
    for length in range(len(good)):
        path.write_bytes(good[:length])
        assert outcome(checked_idx(path), path) == "refused", length
    for what, content in broken_bytes(good, count=30):
        path.write_bytes(content)
        assert outcome(checked_idx(path), path) in ("value", "refused"), what


@pytest.mark.parametrize("shape", [(2**32 - 1,) * 3, (10**6, 10**4, 10), (10**5, 28, 28)])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_idx_header_claims_more_than_there_is(
    tmp_path: Path, pack: Any, shape: tuple[int, ...]
) -> None:
    header = bytes([0, 0, 8, 3]) + struct.pack(">3I", *shape)
    (tmp_path / "images").write_bytes(pack(header + bytes(99)))
    begin = time.perf_counter()
    with pytest.raises(UserError, match="needs .* bytes, found"):
        read_idx(tmp_path / "images")
    assert time.perf_counter() - begin < 0.5


def test_the_limits_of_an_idx_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What deflate cannot give, and what memory is not to hold."""
    path = tmp_path / "images"
    content = bytes([0, 0, 8, 1]) + struct.pack(">I", 100_000)
    path.write_bytes(gzip.compress(content, mtime=0))
    size = path.stat().st_size
    assert size * npz.MAX_RATIO < 100_000 < 10 * size * npz.MAX_RATIO
    with pytest.raises(UserError, match=f"needs 100008 bytes, found {size} compressed ones"):
        read_idx(path)
    path.write_bytes(idx(IMAGES[..., 0]))
    assert read_idx(path).shape == (6, 8, 8)
    monkeypatch.setattr("ncsn.data.readers.MAX_BYTES", path.stat().st_size - 1)
    with pytest.raises(UserError, match="needs 400 bytes"):
        read_idx(path)


def test_a_gzip_file_is_read_no_further_than_its_header_says(tmp_path: Path) -> None:
    """64 MiB of zeros behind an image: the time of reading them all would tell."""
    with gzip.open(tmp_path / "images", "wb", compresslevel=1) as file:
        file.write(idx(IMAGES[:1, :, :, 0]))
        for _ in range(8):
            file.write(bytes(2**23))
    begin = time.perf_counter()
    with pytest.raises(UserError, match="needs 80 bytes, found more"):
        read_idx(tmp_path / "images")
    assert time.perf_counter() - begin < 0.2


def tar_bytes(size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
        member.size, member.type = size, kind
        archive.addfile(member, io.BytesIO(bytes(size)))
    return stream.getvalue()


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_broken_tar_archives(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "c.tar.gz"
    plain = tar_bytes(700, kind)
    forms = [gzip.compress(content, mtime=0) for _, content in broken_bytes(plain, count=30)]
    forms += [content for _, content in broken_bytes(gzip.compress(plain, mtime=0), count=10)]
    for content in forms:
        path.write_bytes(content)
        assert outcome(lambda: read_cifar10(path), path) == "refused"


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE])
def test_a_tar_archive_is_read_no_further_than_cifar_10_goes(tmp_path: Path, kind: bytes) -> None:
    """A header that claims 256 MiB, by name of a foreign file or of more headers."""
    member = tarfile.TarInfo("foreign")
    member.size, member.type = 2**28, kind
    content = gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    (tmp_path / "c.tar.gz").write_bytes(content)
    begin = time.perf_counter()
    with pytest.raises(UserError, match="not a whole .*goes beyond 268435456 bytes"):
        read_cifar10(tmp_path / "c.tar.gz")
    assert time.perf_counter() - begin < 0.5


@pytest.mark.parametrize("read", [read_idx, read_cifar10, read_npz_splits, load_split])
def test_what_is_no_file(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "pointer").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1")
    rules = {
        "folder": "is a folder",
        "loop": "Too many levels of symbolic links",
        "pipe": "is no regular file",
        "pointer": "`git lfs pull`",
        "folder/absent": "no such file|is missing",
        "pointer/below": "Not a directory",
        "n" * 300: "File name too long",
    }
    for name, rule in rules.items():
        with pytest.raises(UserError, match=rule):
            read(tmp_path / name)


@QUICK
@given(content=st.binary(max_size=400))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    for start in (b"", b"PK\3\4", b"\x1f\x8b\x08\0", b"\0\0\x08\3"):
        path.write_bytes(start + content)
        for read in (checked_npz(path), checked_idx(path), lambda: read_cifar10(path)):
            outcome(read, path)


SHAPES = arrays.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=5)


@QUICK
@given(array=arrays.arrays(np.uint8, SHAPES), zipped=st.booleans())
def test_idx_comes_back(tmp_path: Path, array: np.ndarray, zipped: bool) -> None:
    content = idx(array)
    (tmp_path / "a").write_bytes(gzip.compress(content, mtime=0) if zipped else content)
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), array)


PICTURES = st.tuples(*[st.integers(1, 6)] * 3, st.sampled_from([1, 3])).flatmap(
    lambda shape: st.tuples(
        arrays.arrays(np.uint8, shape),
        st.none() | arrays.arrays(np.int64, shape[0], elements=st.integers(0, 9)),
    )
)


@QUICK
@given(pair=PICTURES, compressed=st.booleans(), fortran=st.booleans())
def test_splits_come_back(
    tmp_path: Path, pair: tuple[np.ndarray, np.ndarray | None], compressed: bool, fortran: bool
) -> None:
    split = Split(*pair)
    write_split(tmp_path / "ours.npz", split)
    named = {"images": np.asfortranarray(pair[0]) if fortran else pair[0]}
    if pair[1] is not None:
        named["labels"] = pair[1]
    (np.savez_compressed if compressed else np.savez)(tmp_path / "users.npz", **named)
    for found in (load_split(tmp_path / "ours.npz"), read_npz_splits(tmp_path / "users.npz")[0]):
        np.testing.assert_array_equal(found.images, split.images)
        assert (found.labels is None) == (split.labels is None)
        if split.labels is not None:
            np.testing.assert_array_equal(found.labels, split.labels)


KINDS = st.sampled_from(["|b1", "|u1", "<i2", ">i4", "<i8", "<f4", ">f8"])


@QUICK
@given(array=KINDS.flatmap(lambda kind: arrays.arrays(kind, st.just(()) | SHAPES)))
def test_arrays_of_numbers_come_back(tmp_path: Path, array: np.ndarray) -> None:
    np.savez(tmp_path / "a.npz", x=array, y=array.T)
    with npz.opened_npz(tmp_path / "a.npz", None) as archive:
        for name, expected in (("x", array), ("y", array.T)):
            found = archive.array(name)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)

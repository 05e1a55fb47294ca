"""Content and names decide a fingerprint, times do not; what has been read is not read again."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ncsn.base import outside
from ncsn.base.errors import UserError
from ncsn.config.params import ReferenceParams
from ncsn.data import fingerprint
from ncsn.data.fingerprint import data_fingerprint, weights_fingerprint
from ncsn.data.listing import File

FILES = {
    "dog/1.png": b"one",
    "dog/2.png": b"two",
    "cat/1.jpg": b"three",
    "cat/note.txt": b"no image",
}


def _linked(path: Path) -> None:
    hidden = path.with_name(".hidden.png")
    path.rename(hidden)
    path.symlink_to(hidden)


CHANGES: dict[str, tuple[bool, Callable[[Path], object]]] = {
    "touch": (False, lambda p: os.utime(p / "dog/1.png", (1, 1))),
    "other bits": (False, lambda p: (p / "dog/1.png").chmod(0o600)),
    "a hidden file": (False, lambda p: (p / ".note").write_bytes(b"")),
    "another text": (False, lambda p: (p / "cat/note.txt").write_bytes(b"other text")),
    "replaced content": (True, lambda p: (p / "dog/1.png").write_bytes(b"new")),
    "replaced by a rename": (True, lambda p: (p / "dog/1.png").rename(p / "dog/2.png")),
    "an added image": (True, lambda p: (p / "dog/3.png").write_bytes(b"one")),
    "a removed image": (True, lambda p: (p / "dog/2.png").unlink()),
    "a renamed image": (True, lambda p: (p / "dog/2.png").rename(p / "dog/0.png")),
    "renamed in its place": (True, lambda p: (p / "dog/2.png").rename(p / "dog/3.png")),
    "an image behind a link": (True, lambda p: _linked(p / "dog/1.png")),
    "a broken link": (True, lambda p: (p / "dog/4.png").symlink_to("nowhere.png")),
    "a renamed class": (True, lambda p: (p / "dog").rename(p / "wolf")),
    "an empty class": (True, lambda p: (p / "cow").mkdir()),
    "a removed text": (True, lambda p: (p / "cat/note.txt").unlink()),
}


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of a test are younger than what is otherwise remembered."""
    monkeypatch.setattr(fingerprint, "_SETTLED_NS", 0)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "photos"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the files whose content was read."""
    names: list[str] = []
    sha256 = fingerprint._sha256

    def noted(path: Path, size: int) -> str:
        names.append(path.name)
        return sha256(path, size)

    monkeypatch.setattr(fingerprint, "_sha256", noted)
    yield names


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("remembers", [True, False])
def test_what_changes_the_fingerprint(
    data_params: Any, tmp_path: Path, photos: Path, change: str, remembers: bool
) -> None:
    params, memory = data_params("folder", path=str(photos)), tmp_path / "work" / "data.json"
    before = data_fingerprint(params, memory)
    changes, do = CHANGES[change]
    do(photos)
    if not remembers:
        memory.unlink()
    assert (data_fingerprint(params, memory) != before) == changes


def test_a_copy_elsewhere_is_the_same(data_params: Any, tmp_path: Path, photos: Path) -> None:
    copy = shutil.copytree(photos, tmp_path / "copy", copy_function=shutil.copyfile)
    found = [
        data_fingerprint(data_params("folder", path=str(path)), tmp_path / "data.json")
        for path in (photos, copy)
    ]
    assert found[0] == found[1] and found[0]["files"] == 3


def test_only_changed_files_are_read_again(
    data_params: Any, tmp_path: Path, photos: Path, read: list[str]
) -> None:
    params, memory = data_params("folder", path=str(photos)), tmp_path / "data.json"
    data_fingerprint(params, memory)
    assert sorted(read) == ["1.jpg", "1.png", "2.png"]
    read.clear()
    data_fingerprint(params, memory)
    assert read == []
    (photos / "dog" / "2.png").write_bytes(b"TWO")
    data_fingerprint(params, memory)
    assert read == ["2.png"]


def test_equal_size_and_time_of_change_hide_nothing(
    data_params: Any, tmp_path: Path, photos: Path
) -> None:
    """As `cp --preserve` and `rsync` leave them; the time of the entry tells."""
    params, memory = data_params("folder", path=str(photos)), tmp_path / "data.json"
    before, state = data_fingerprint(params, memory), (photos / "dog/1.png").stat()
    (photos / "dog/1.png").write_bytes(b"ONE")
    os.utime(photos / "dog/1.png", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert data_fingerprint(params, memory) != before


def test_files_that_have_just_changed_are_not_remembered(
    data_params: Any, tmp_path: Path, photos: Path, read: list[str], monkeypatch: Any
) -> None:
    """A second change within the clock's grain would leave size and times as they were."""
    params, memory = data_params("folder", path=str(photos)), tmp_path / "data.json"
    monkeypatch.setattr(fingerprint, "_SETTLED_NS", 3_600 * 10**9)
    for path in photos.rglob("*.*"):
        os.utime(path, (1, 1))  # as copies that keep their times: the entry itself is new
    for _ in range(2):
        read.clear()
        data_fingerprint(params, memory)
        assert len(read) == 3


def test_what_marks_a_file_as_unchanged() -> None:
    file = File("a.png", 9, (5_000_000_001, 6_000_000_001), False)
    others = [file._replace(size=8), file._replace(times=(5_000_000_002, 6_000_000_001))]
    others.append(file._replace(times=(5_000_000_001, 6_000_000_002)))
    states = [fingerprint._state(each) for each in (file, *others)]
    assert all(states.count(state) == 1 for state in states)


def test_what_was_read_in_another_folder_is_not_taken(
    data_params: Any, tmp_path: Path, photos: Path
) -> None:
    params, memory = data_params("folder", path=str(photos)), tmp_path / "data.json"
    before, kept = data_fingerprint(params, memory), json.loads(memory.read_text())
    for entry in kept["files"].values():
        entry[3] = "0" * 64
    memory.write_text(json.dumps(kept))
    assert data_fingerprint(params, memory) != before  # the memory is believed
    memory.write_text(json.dumps(kept | {"root": str(tmp_path)}))
    assert data_fingerprint(params, memory) == before


@pytest.mark.parametrize("text", ["", "{", '{"root": 3}'])
def test_a_broken_memory_is_none(
    data_params: Any, tmp_path: Path, photos: Path, text: str
) -> None:
    params, memory = data_params("folder", path=str(photos)), tmp_path / "data.json"
    before = data_fingerprint(params, memory)
    memory.write_text(text)
    assert data_fingerprint(params, memory) == before


def test_an_archive_by_its_content(data_params: Any, tmp_path: Path) -> None:
    path, memory = tmp_path / "a.npz", tmp_path / "data.json"
    path.write_bytes(b"one")
    params = data_params("npz", path=str(path))
    first = data_fingerprint(params, memory)
    os.utime(path, (1, 1))
    assert data_fingerprint(params, memory) == first
    path.write_bytes(b"two")
    assert data_fingerprint(params, memory) != first


def test_large_files_as_small_ones(
    data_params: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"content")
    params = data_params("npz", path=str(path))
    small = data_fingerprint(params, tmp_path / "small.json")
    monkeypatch.setattr(fingerprint, "_WHOLE", 3)
    assert data_fingerprint(params, tmp_path / "large.json") == small


@pytest.mark.parametrize("place", ["photos", "."])
def test_celeba_with_its_list_of_splits(data_params: Any, tmp_path: Path, place: str) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "1.jpg").write_bytes(b"one")
    params, memory = data_params("celeba", path=str(folder)), tmp_path / "data.json"
    found = [data_fingerprint(params, memory)]
    for text in ("1.jpg 0\n", "1.jpg 2\n"):
        (tmp_path / place / "list_eval_partition.txt").write_text(text)
        found.append(data_fingerprint(params, memory))
    assert len({str(value) for value in found}) == 3


def test_nothing_outside_has_no_fingerprint(data_params: Any, tmp_path: Path) -> None:
    for name in ("digits", "mnist", "fashion_mnist", "cifar10"):
        assert data_fingerprint(data_params(name, path="ignored"), tmp_path / "data.json") == {}
    assert weights_fingerprint(_reference("classifier", "ignored"), tmp_path / "w.json") == {}
    assert weights_fingerprint(_reference("inception-v3-compat", None), tmp_path / "w") == {}
    assert list(tmp_path.iterdir()) == []


def test_weights_by_their_content(tmp_path: Path) -> None:
    path, memory = tmp_path / "inception.pth", tmp_path / "weights.json"
    params = _reference("inception-v3-compat", str(path))
    with pytest.raises(UserError, match=r"reference.weights_path \(value .*\): no such file"):
        weights_fingerprint(params, memory)
    path.write_bytes(b"one")
    first = weights_fingerprint(params, memory)
    path.write_bytes(b"two")
    assert weights_fingerprint(params, memory) != first


@pytest.mark.parametrize(
    ("name", "path", "message"),
    [
        ("folder", "absent", r"data.path \(value 'absent'\): no such folder; looked at /"),
        ("npz", "absent.npz", r"data.path \(value 'absent.npz'\): no such file"),
        ("celeba", "~/absent", r"data.path \(value '~/absent'\): no such folder; looked at /"),
        ("npz", ".", "must name a file, and is none"),
        ("folder", __file__, "must name a folder, and is none"),
        ("folder", f"{__file__}/a", "no such folder"),
    ],
)
def test_what_is_missing_is_told_in_one_line(
    data_params: Any, tmp_path: Path, name: str, path: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        data_fingerprint(data_params(name, path=path), tmp_path / "data.json")
    assert "\n" not in str(error.value)


def test_home_and_the_project_that_a_copy_belongs_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert outside.located("~/photos") == tmp_path / "photos"
    copy = tmp_path / ".dvc" / "tmp" / "exps" / "tmp1"
    (copy / ".dvc").mkdir(parents=True)
    for folder in (tmp_path, copy):
        (folder / "dvc.yaml").write_text("")
        monkeypatch.chdir(folder)
        assert outside.located("photos") == tmp_path / "photos"
    monkeypatch.setenv(outside.PROJECT, str(tmp_path / "main"))
    assert outside.located("../photos") == tmp_path / "main" / "../photos"
    assert outside.located("/photos") == Path("/photos")


@pytest.mark.slow
def test_two_hundred_thousand_files(data_params: Any, tmp_path: Path) -> None:
    for folder in range(20):
        (tmp_path / "photos" / f"{folder:02}").mkdir(parents=True)
        for number in range(10_000):
            path = tmp_path / "photos" / f"{folder:02}" / f"{number}.png"
            path.write_bytes(str((folder, number)).encode())
    params, seconds = data_params("folder", path=str(tmp_path / "photos")), []
    for _ in range(2):
        begin = time.perf_counter()
        assert data_fingerprint(params, tmp_path / "data.json")["files"] == 200_000
        seconds.append(time.perf_counter() - begin)
    assert seconds[1] < 15


def _reference(extractor: str, weights_path: str | None) -> ReferenceParams:
    return ReferenceParams(
        extractor=extractor,
        feature_layer="128" if extractor == "classifier" else "2048",
        weights_path=weights_path,
        split="test",
        classifier_steps=1,
        pixel_frechet=True,
    )

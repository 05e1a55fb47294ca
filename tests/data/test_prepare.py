import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ncsn.base import outside
from ncsn.base.errors import UserError
from ncsn.base.files import read_json
from ncsn.data import sources, statistics
from ncsn.data.download import RemoteFile
from ncsn.data.prepare import prepare
from ncsn.data.sources import PUBLIC, SOURCES, PublicFiles
from ncsn.data.split import load_split

PROJECT = Path(__file__).resolve().parents[2]


def rows(images: np.ndarray) -> list[bytes]:
    return [image.tobytes() for image in images]


def test_every_name_has_a_source(data_params: Any) -> None:
    names = type(data_params("digits")).model_fields["name"].annotation.__args__
    assert set(SOURCES) == set(names) and set(PUBLIC) < set(names)
    for public in PUBLIC.values():
        assert all(mirror.startswith("https://") for mirror in public.mirrors)
        assert all(len(bytes.fromhex(file.sha256)) == 32 for file in public.files)


def test_digits_are_split_by_the_seed(data_params: Any) -> None:
    data = prepare(data_params("digits"), seed=1)
    assert data.train.images.shape == (1438, 8, 8, 1) and len(data.test.images) == 359
    assert np.unique(data.train.images).tolist() == np.rint(np.arange(17) * 255 / 16).tolist()
    assert sorted(set(data.train.labels)) == list(range(10))
    again, other = prepare(data_params("digits"), 1), prepare(data_params("digits"), 2)
    assert again.summary == data.summary
    assert other.summary["test"]["sha256"] != data.summary["test"]["sha256"]
    whole = sorted(rows(data.train.images) + rows(data.test.images))
    assert whole == sorted(rows(other.train.images) + rows(other.test.images))


def test_summary_has_what_the_other_stages_read(data_params: Any) -> None:
    summary = prepare(data_params("digits", num_train=300), 1).summary
    assert set(summary) == {"name", "train", "test", "pairwise"} and summary["name"] == "digits"
    keys = {"count", "shape", "mean", "std", "channel_mean", "channel_std", "sha256"}
    assert set(summary["train"]) == set(summary["test"]) == keys
    assert summary["pairwise"]["num_points"] == summary["train"]["count"] == 300
    assert 0 < summary["pairwise"]["median"] < summary["pairwise"]["max"] < 8


def test_subsets_are_drawn_from_their_split(data_params: Any) -> None:
    whole = prepare(data_params("digits"), 1)
    few = prepare(data_params("digits", num_train=100, num_test=20), 1)
    assert len(few.train.images) == 100 and len(few.test.images) == 20
    assert set(rows(few.train.images)) <= set(rows(whole.train.images))
    assert set(rows(few.test.images)) <= set(rows(whole.test.images))
    # the same draws in every version, so that a seed names the same images
    drawn = [few.summary[split]["sha256"][:16] for split in ("train", "test")]
    assert drawn == ["b5bece567b13abfd", "3c9f7def224a685a"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_train": 1439}, r"data.num_train \(value 1439\): must be at most 1438"),
        ({"num_test": 360}, r"data.num_test \(value 360\): must be at most 359"),
        ({"num_train": 1}, "train split has 1 images"),
        ({"test_fraction": 0.0001}, "test split has 0 images"),
        ({"center_crop": 9}, r"data.center_crop \(value 9\)"),
    ],
)
def test_rules_on_sizes(data_params: Any, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        prepare(data_params("digits", **changes), 1)


def test_npz_cropped_and_resized(data_params: Any, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 20, 24, 3), np.uint8)
    np.savez(tmp_path / "a.npz", x_train=images[:9], x_test=images[9:], y_train=np.arange(9))
    params = data_params("npz", path=str(tmp_path / "a.npz"), center_crop=16, image_size=8)
    data = prepare(params, 1)
    assert data.train.images.shape == (9, 8, 8, 3) and data.test.images.shape == (3, 8, 8, 3)
    assert data.train.labels.tolist() == list(range(9)) and data.test.labels is None


def test_images_keep_the_order_of_their_source(data_params: Any, tmp_path: Path) -> None:
    images = np.full((60, 8, 8), np.arange(60, dtype=np.uint8)[:, None, None])
    np.savez(tmp_path / "a.npz", images=images)
    data = prepare(data_params("npz", path=str(tmp_path / "a.npz"), num_train=30, num_test=9), 1)
    for split, count in ((data.train, 30), (data.test, 9)):
        numbers = split.images[:, 0, 0, 0].tolist()
        assert len(numbers) == count and numbers == sorted(numbers)


def test_labels_of_images_that_are_not_drawn_do_not_count(
    data_params: Any, tmp_path: Path
) -> None:
    path = tmp_path / "images.npz"
    images, numbers = np.zeros((60, 8, 8), np.uint8), np.arange(60)
    images[:, 0, 0] = numbers
    test = {"x_test": images, "y_test": numbers % 2}
    few = data_params(name="npz", path=str(path), num_train=20)
    np.savez(path, x_train=images, y_train=numbers, **test)
    drawn = prepare(few, 1, None).train.labels
    labels = np.where(np.isin(numbers, drawn), numbers % 2, -1)
    np.savez(path, x_train=images, y_train=labels, **test)
    assert len(prepare(few, 1, "classifier").train.images) == 20
    with pytest.raises(UserError, match="labels"):
        prepare(data_params(name="npz", path=str(path)), 1, "classifier")


def test_splits_of_an_npz_must_agree(data_params: Any, tmp_path: Path) -> None:
    np.savez(
        tmp_path / "a.npz", train=np.zeros((3, 8, 8), np.uint8), test=np.ones((3, 9, 9), "u1")
    )
    with pytest.raises(UserError, match="train images are 8x8x1, test images 9x9x1"):
        prepare(data_params("npz", path=str(tmp_path / "a.npz")), 1)


@pytest.mark.parametrize("name", ["folder", "celeba"])
def test_folders_of_photographs(data_params: Any, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(10):
        Image.new("RGB", (178, 218 + number), (number, 0, 0)).save(folder / f"{number}.png")
    params = data_params(name, path=str(folder), center_crop=140, image_size=32, num_train=5)
    data = prepare(params, 1)
    assert data.train.images.shape == (5, 32, 32, 3) and data.test.images.shape == (2, 32, 32, 3)
    numbers = {int(image[0, 0, 0]) for image in (*data.train.images, *data.test.images)}
    assert len(numbers) == 7


def test_what_was_passed_over_and_converted_stands_in_the_summary(
    data_params: Any, tmp_path: Path
) -> None:
    for number in range(10):
        Image.new("RGBA", (8, 8), (number, 0, 0, 99)).save(tmp_path / f"{number}.png")
    (tmp_path / "notes.txt").write_text("")
    summary = prepare(data_params("folder", path=str(tmp_path), num_train=5), 1).summary
    assert summary["notices"] == [
        "passed over: 1 .txt",
        "converted: 7 transparent images (transparency dropped)",
    ]
    assert "notices" not in prepare(data_params("digits"), 1).summary


def test_images_in_both_splits_are_counted(data_params: Any, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), np.uint8)
    images[[7, 8]] = images[0]
    np.savez(tmp_path / "a.npz", train=images[:5], test=images[5:])
    summary = prepare(data_params("npz", path=str(tmp_path / "a.npz")), 1).summary
    assert summary["notices"] == ["in both splits: 2 of the test images"]


@pytest.mark.parametrize("home", [True, False])
def test_paths_from_the_home_folder_and_from_the_project(
    data_params: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: bool
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), np.uint8)
    np.savez(tmp_path / "a.npz", images=images)
    monkeypatch.setenv("HOME" if home else outside.PROJECT, str(tmp_path))
    params = data_params("npz", path="~/a.npz" if home else "a.npz")
    assert prepare(params, 1).summary["train"]["count"] == 7


def idx(array: np.ndarray) -> bytes:
    shape = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + shape + array.tobytes()


def test_a_download_goes_through_the_users_mirror_first(
    data_params: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8), np.uint8)
    files = []
    for name, array in {
        "train-images": images[:6],
        "train-labels": np.arange(6, dtype=np.uint8),
        "t10k-images": images[6:],
        "t10k-labels": np.arange(3, dtype=np.uint8),
    }.items():
        files.append(RemoteFile(f"{name}.gz", hashlib.sha256(idx(array)).hexdigest(), "content"))
        server.files[f"{name}.gz"] = gzip.compress(idx(array), mtime=0)
    public = PublicFiles((server.mirror("norange"),), tuple(files))
    monkeypatch.setattr(sources, "PUBLIC", {"mnist": public})
    data = prepare(data_params("mnist", mirrors=[server.mirror("refuse")]), 1)
    np.testing.assert_array_equal(data.train.images[..., 0], images[:6])
    assert data.test.labels.tolist() == [0, 1, 2]
    assert [way for way, _, _ in server.requests] == ["refuse", "norange"] * 4
    server.requests.clear()
    prepare(data_params("mnist", mirrors=[server.mirror("refuse")]), 1)
    assert server.requests == []


def test_mnist_is_what_the_papers_used(real_data: Callable[[str], Path], data_params: Any) -> None:
    root = real_data("mnist").parent
    summary = prepare(data_params("mnist", root=str(root)), 1234).summary
    assert summary["train"]["count"] == 60_000 and summary["test"]["count"] == 10_000
    assert summary["train"]["mean"] == pytest.approx(33.318, abs=5e-4)
    assert summary["train"]["std"] == pytest.approx(78.567, abs=6e-4)
    # NCSNv2's rule gives sigma_1 ~ 16 for MNIST; the largest of 10,000 varies with the draw.
    assert summary["pairwise"]["max"] == pytest.approx(16.2, abs=0.4)
    assert summary["pairwise"]["median"] == pytest.approx(10.2, abs=0.1)
    assert summary["pairwise"]["num_points"] == 10_000


def test_cifar10_is_what_the_papers_used(
    real_data: Callable[[str], Path], data_params: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = real_data("cifar10.npz")
    monkeypatch.setattr(statistics, "MAX_PAIRWISE_POINTS", 1000)  # saves 10 s
    summary = prepare(data_params("npz", path=str(path)), 1234).summary
    assert summary["train"]["count"] == 50_000 and summary["train"]["shape"] == [32, 32, 3]
    np.testing.assert_allclose(
        summary["train"]["channel_mean"], [125.307, 122.950, 113.865], atol=6e-4
    )
    assert summary["pairwise"]["median"] == pytest.approx(18, abs=1)


def test_the_stage_writes_what_it_declares(tmp_path: Path) -> None:
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(PROJECT / name, tmp_path)
    script = str(PROJECT / "pipeline" / "prepare.py")
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("prepare: digits, 1438 train and 359 test images of 8x8x1, ")
    assert len(done.stdout.splitlines()) == 1
    written = {str(p.relative_to(tmp_path)) for p in (tmp_path / "artifacts").rglob("*.*")}
    assert written == {f"artifacts/data/{name}" for name in WRITTEN}
    assert len(load_split(tmp_path / "artifacts/data/test.npz").images) == 359
    assert read_json(tmp_path / "artifacts/data/summary.json")["name"] == "digits"


WRITTEN = ("train.npz", "test.npz", "summary.json")

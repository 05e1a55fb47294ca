"""The reference folder: what it holds, that it repeats itself, and that a stale one is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

from ncsn.base import metric_names as keys
from ncsn.base.errors import UserError
from ncsn.base.files import read_npz, write_npz
from ncsn.config.params import ReferenceParams
from ncsn.data.split import Split, split_sha256
from ncsn.evaluate.classifier import load_classifier
from ncsn.evaluate.reference import (
    Summary,
    read_other_features,
    read_reference,
    read_train_features,
)
from ncsn.evaluate.write_reference import write_reference

CPU = torch.device("cpu")
PARAMS = ReferenceParams(
    extractor="classifier",
    feature_layer="128",
    weights_path=None,
    split="test",
    classifier_steps=20,
    pixel_frechet=True,
)
SEED = 3


@pytest.fixture(scope="module")
def splits() -> tuple[Split, Split]:
    """500 and 300 digits, uint8 (N,8,8,1)."""
    bunch = load_digits()
    images = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    train, test = (Split(images[a:b], bunch.target[a:b]) for a, b in [(0, 500), (500, 800)])
    return train, test


def data_summary(train: Split, test: Split) -> dict[str, Any]:
    return {"train": {"sha256": split_sha256(train)}, "test": {"sha256": split_sha256(test)}}


def written(
    folder: Path, splits: tuple[Split, Split], params: ReferenceParams = PARAMS
) -> Summary:
    return write_reference(folder, *splits, params, SEED, CPU)


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory, splits: tuple[Split, Split]) -> Path:
    folder = tmp_path_factory.mktemp("pristine") / "reference"
    written(folder, splits)
    return folder


@pytest.fixture
def folder(tmp_path: Path, pristine: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(pristine, tmp_path / "reference"))


def test_the_folder_holds_the_reference_split(folder: Path, splits: tuple[Split, Split]) -> None:
    reference = read_reference(folder, PARAMS, SEED, data_summary(*splits))
    images = torch.from_numpy(splits[1].images).movedim(-1, 1)
    with torch.no_grad():
        expected = load_classifier(reference.weights)(images).features
    torch.testing.assert_close(reference.features, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        reference.statistics.cov, np.cov(expected.double().numpy(), rowvar=False), atol=1e-4
    )
    assert reference.statistics.cov.dtype == torch.float64
    assert reference.pixels is not None and reference.pixels.mean.shape == (64,)
    assert reference.key["num_images"] == 300 and reference.key["image_shape"] == [8, 8, 1]


def test_the_same_inputs_give_the_same_bytes(
    folder: Path, splits: tuple[Split, Split], tmp_path: Path
) -> None:
    written(tmp_path / "again", splits)
    for file in folder.iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes(), file.name


def test_the_number_of_threads_changes_no_byte(
    tmp_path: Path, splits: tuple[Split, Split]
) -> None:
    """With two threads the classifier was another one, and FID moved by half a percent."""
    before, summaries = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            with threadpool_limits(limits=count, user_api="blas"):
                summaries.append(written(tmp_path / str(count), splits))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)
    assert summaries[0] == summaries[1] == summaries[2]
    for file in (tmp_path / "1").iterdir():
        for other in ("2", "3"):
            assert file.read_bytes() == (tmp_path / other / file.name).read_bytes(), file.name


def test_labels_that_cannot_be_learnt_are_warned_of(
    tmp_path: Path, splits: tuple[Split, Split], capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "r", splits, PARAMS.model_copy(update={"classifier_steps": 60}))
    assert "mean nothing" not in capsys.readouterr().err
    draw = np.random.default_rng(0)
    guessed = [Split(s.images, draw.integers(0, 10, len(s.images))) for s in splits]
    summary = written(tmp_path / "r", (guessed[0], guessed[1]))
    said = capsys.readouterr().err
    assert f"labels {100 * summary[keys.CLASSIFIER_ACCURACY]:.1f}% of 300" in said
    assert "FID, KID, precision and recall mean nothing" in said


def test_the_summary_has_the_floor_with_its_conditions(
    tmp_path: Path, splits: tuple[Split, Split]
) -> None:
    train = PARAMS.model_copy(update={"split": "train"})
    of_test, of_train = (written(tmp_path / "r", splits, params) for params in (PARAMS, train))
    counts = (keys.FLOOR_FID_NUM_SAMPLES, keys.FLOOR_NUM_REFERENCE)
    assert [of_test[key] for key in counts] == [500, 300]
    assert [of_train[key] for key in counts] == [300, 500]
    for key in (keys.FLOOR_FID, keys.FLOOR_PIXEL_FRECHET, keys.CLASSIFIER_ACCURACY):
        assert of_test[key] == pytest.approx(of_train[key], rel=1e-4) and of_test[key] > 0
    assert of_train[keys.REFERENCE_SPLIT] == "train"
    assert of_train[keys.REFERENCE_EXTRACTOR] == "classifier"
    assert of_train[keys.REFERENCE_FEATURE_LAYER] == "128"


def test_pixel_statistics_can_be_left_out(tmp_path: Path, splits: tuple[Split, Split]) -> None:
    params = PARAMS.model_copy(update={"pixel_frechet": False})
    summary = written(tmp_path / "r", splits, params)
    reference = read_reference(tmp_path / "r", params, SEED, data_summary(*splits))
    assert reference.pixels is None and keys.FLOOR_PIXEL_FRECHET not in summary


def other_weights(folder: Path) -> None:
    state = torch.load(folder / "classifier.pt", weights_only=True)
    state["head.bias"] += 1
    torch.save(state, folder / "classifier.pt")


def other_features(folder: Path) -> None:
    arrays = read_npz(folder / "reference.npz")
    write_npz(folder / "reference.npz", **arrays | {"features": arrays["features"] + 1})


def other_layer(folder: Path) -> None:
    key = json.loads((folder / "extractor.json").read_text())
    (folder / "extractor.json").write_text(json.dumps(key | {"feature_layer": "768"}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_weights, "stale: weights_sha256"),
        (other_features, "stale: arrays_sha256"),
        (other_layer, "stale: feature_layer was '768'.* is '128' now"),
        (lambda folder: (folder / "classifier.pt").unlink(), r"classifier\.pt is missing"),
        (lambda folder: (folder / "extractor.json").unlink(), r"extractor\.json is missing"),
    ],
)
def test_a_changed_folder_is_refused(
    folder: Path, splits: tuple[Split, Split], change: Callable[[Path], None], message: str
) -> None:
    change(folder)
    with pytest.raises(UserError, match=message):
        read_reference(folder, PARAMS, SEED, data_summary(*splits))


@pytest.mark.parametrize(
    ("params", "seed", "message"),
    [
        (PARAMS.model_copy(update={"split": "train"}), SEED, "stale: split was 'test'"),
        (PARAMS.model_copy(update={"classifier_steps": 21}), SEED, "stale: classifier_steps"),
        (PARAMS, SEED + 1, "stale: seed"),
    ],
)
def test_other_params_are_refused(
    folder: Path, splits: tuple[Split, Split], params: ReferenceParams, seed: int, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        read_reference(folder, params, seed, data_summary(*splits))


def test_other_data_is_refused(folder: Path, splits: tuple[Split, Split]) -> None:
    train, test = splits
    changed = Split(255 - test.images, test.labels)
    with pytest.raises(UserError, match="stale: data_sha256"):
        read_reference(folder, PARAMS, SEED, data_summary(train, changed))


def test_a_failure_leaves_the_old_folder(folder: Path, splits: tuple[Split, Split]) -> None:
    before = sorted(file.name for file in folder.parent.rglob("*"))
    train, test = splits
    with pytest.raises(UserError, match=r"reference\.extractor"):
        written(folder, (Split(train.images, None), test))
    read_reference(folder, PARAMS, SEED, data_summary(*splits))
    assert sorted(file.name for file in folder.parent.rglob("*")) == before


def test_features_of_the_train_split_are_kept_once(
    tmp_path: Path, folder: Path, splits: tuple[Split, Split]
) -> None:
    summary = data_summary(*splits)
    reference = read_reference(folder, PARAMS, SEED, summary)
    features = read_train_features(folder, reference, summary)
    train = PARAMS.model_copy(update={"split": "train"})
    written(tmp_path / "r", splits, train)
    of_train = read_reference(tmp_path / "r", train, SEED, summary)
    assert read_train_features(tmp_path / "r", of_train, summary) is of_train.features
    assert not (tmp_path / "r" / "train_features.npz").exists()
    torch.testing.assert_close(features, of_train.features, rtol=1e-4, atol=1e-4)
    of_test = read_other_features(tmp_path / "r", of_train, summary)
    torch.testing.assert_close(of_test, reference.features, rtol=1e-4, atol=1e-4)


def test_damaged_features_of_the_train_split_or_other_images_are_refused(
    folder: Path, splits: tuple[Split, Split]
) -> None:
    summary = data_summary(*splits)
    reference = read_reference(folder, PARAMS, SEED, summary)
    other = summary | {"train": {"sha256": "0"}}
    with pytest.raises(UserError, match="stale: train_data_sha256"):
        read_train_features(folder, reference, other)
    write_npz(folder / "train_features.npz", features=np.zeros((500, 128), dtype=np.float32))
    with pytest.raises(UserError, match="stale: train_features_sha256"):
        read_train_features(folder, reference, summary)
    (folder / "train_features.npz").unlink()
    with pytest.raises(UserError, match="train_features.npz is missing"):
        read_train_features(folder, reference, summary)

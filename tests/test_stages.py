"""What the stage scripts hand to the library: which split, which weights, of train and test.

The train split is black and the test split white. The function that does a stage's work is
replaced by one that keeps its arguments and ends the stage.
"""

import runpy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ncsn.base.files import write_json
from ncsn.builders.score_net import build_score_net
from ncsn.builders.training_noise import training_noise
from ncsn.config.params import ModelParams, load_params
from ncsn.config.preset import write_values
from ncsn.data.split import Split, write_split
from ncsn.data.statistics import split_summary
from ncsn.runtime.way import Way
from ncsn.train.checkpoint import Checkpoint

ROOT = Path(__file__).parents[1]
NUM_IMAGES = 120  # of a split; enough for the subsets of the metrics


class Ended(BaseException):
    """The stage has handed over what it had."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml, both splits and the training noise, to run stages in."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    for name in ("dvc.yaml", "src", "pipeline"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    params = load_params("paths", "noise", "model")
    black, white = (
        Split(np.full((NUM_IMAGES, 8, 8, 1), value, np.uint8), np.arange(NUM_IMAGES) % 2)
        for value in (0, 255)
    )
    write_split(params.paths.train_images, black)
    write_split(params.paths.test_images, white)
    summary = {"train": split_summary(black), "test": split_summary(white)}
    distances = {"max": 1.0, "median": 1.0, "num_points": NUM_IMAGES}
    for name, content in (
        (params.paths.training_noise, training_noise(params.noise, params.model.name)),
        (params.paths.data_summary, {"name": "digits", **summary, "pairwise": distances}),
    ):
        write_json(name, content)
    return tmp_path


@pytest.fixture
def handed(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], tuple]:
    """Runs a stage up to a function of the library; returns that function's arguments."""

    def arguments(stage: str, function: str) -> tuple:
        kept: list[Any] = []

        def keep(*args: Any, **kwargs: Any) -> None:
            kept.extend((args, kwargs))
            raise Ended

        monkeypatch.setattr(function, keep)
        main = runpy.run_path(str(ROOT / "pipeline" / f"{stage}.py"))["main"]
        with pytest.raises(Ended):
            main()
        return tuple(kept)

    return arguments


def brightness(images: Any) -> float:
    """Mean byte of images, an array or a tensor."""
    return float(np.asarray(images).mean())


def test_training_learns_from_the_train_split_and_validates_on_the_test_split(handed) -> None:
    (task, *_), _ = handed("train", "ncsn.train.loop.train")
    assert (brightness(task.images), brightness(task.held_out)) == (0, 255)


def test_the_exact_score_of_the_oracle_is_that_of_the_train_split(handed, monkeypatch) -> None:
    monkeypatch.setattr("ncsn.evaluate.reference.read_reference", lambda *_: None)
    Path(load_params("paths").paths.reference).mkdir(parents=True)
    (points, *_), _ = handed("oracle", "ncsn.sample.oracle.DataScore")
    assert brightness(points) == 0


def test_the_reference_gets_both_splits_by_their_names(handed) -> None:
    (_, train, test, *_), _ = handed("reference", "ncsn.evaluate.write_reference.write_reference")
    assert (brightness(train.images), brightness(test.images)) == (0, 255)


def test_neighbours_are_looked_for_in_the_train_split(handed, monkeypatch) -> None:
    for reader in ("evaluate.reference.read_reference", "evaluate.reference.read_train_features"):
        monkeypatch.setattr(f"ncsn.{reader}", lambda *_: None)
    monkeypatch.setattr("ncsn.evaluate.evaluation.read_samples", lambda path: str(path))
    (samples, held_out, train, *_), _ = handed(
        "neighbours", "ncsn.evaluate.neighbours.training_neighbours"
    )
    assert samples == load_params("paths").paths.samples
    assert (brightness(held_out), brightness(train)) == (255, 0)


@pytest.mark.parametrize("split, real, other", [("test", 255, 0), ("train", 0, 255)])
def test_bars_are_of_the_reference_split_and_the_floor_of_the_other(
    handed, monkeypatch, split: str, real: int, other: int
) -> None:
    write_values({"reference.split": split}, Path("params.yaml"))
    monkeypatch.setattr("ncsn.evaluate.evaluation.read_samples", lambda path: np.zeros(7))
    for reader in ("read_reference", "read_other_features"):
        monkeypatch.setattr(f"ncsn.evaluate.reference.{reader}", lambda *_: None)
    against: list[float] = []

    def keep(samples: np.ndarray, reference: str, images: np.ndarray, *_: Any) -> dict:
        against.append(brightness(images))
        return {}

    monkeypatch.setattr("ncsn.evaluate.evaluation.evaluate_images", keep)
    (others, _, count, *_), _ = handed("evaluate", "ncsn.evaluate.floor.matched_floor")
    assert (against, brightness(others.images), count) == ([real], other, 7)


@pytest.mark.parametrize("stage", ["sample", "illustrate"])
def test_images_are_drawn_with_the_averaged_weights(handed, monkeypatch, stage) -> None:
    net, ema = {"w": torch.zeros(1)}, {"w": torch.ones(1)}
    saved = Checkpoint(1, {}, (1, 8, 8), net, ema, {}, {})
    monkeypatch.setattr("ncsn.train.checkpoint.load_checkpoint", lambda *_: saved)
    (_, _, weights, *_), _ = handed(stage, "ncsn.builders.score_net.build_trained_net")
    assert weights is ema


@pytest.mark.parametrize("stage", ["sample", "illustrate"])
def test_images_are_drawn_in_one_precision_compiled_or_not_together(
    handed, monkeypatch, stage
) -> None:
    write_values({"sample.precision": "bf16", "base.compile": "never"})
    model, sigmas = ModelParams(name="ncsn", base_channels=4), torch.ones(10).cumsum(0).flip(0)
    net = build_score_net(model, sigmas, (1, 8, 8))
    saved = Checkpoint(1, {}, (1, 8, 8), {}, {}, {}, {})
    monkeypatch.setattr("ncsn.train.checkpoint.load_checkpoint", lambda *_: saved)
    monkeypatch.setattr("ncsn.builders.score_net.build_trained_net", lambda *_: net)
    (drawn, device, way), _ = handed(stage, "ncsn.sample.network.network_scores")
    assert drawn is net and (device.type, way) == ("cpu", Way("bf16"))

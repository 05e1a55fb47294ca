"""A small project on disk with the result files of one configuration, and a store of its own."""

import base64
import hashlib
import json
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from ruamel.yaml import YAML

from ncsn.base.yaml_file import read_yaml
from ncsn.config.paths import load_paths
from ncsn.runtime.dag import RESULT_STAGES
from ncsn.tracking import store

REPOSITORY = Path(__file__).parents[2]
NUM_STEPS, EVERY, NUM_LEVELS = 1500, 50, 10


@pytest.fixture(scope="session")
def stored_view() -> Callable[[store.Store, str], dict[str, Any]]:
    """Reads the view that MLflow opens by a name, as its pages do."""

    def read(of: store.Store, name: str) -> dict[str, Any]:
        tags = of.client.get_experiment(of.experiment_id).tags
        packed = tags[f"mlflow.sharedViewState.{name}"].removeprefix("deflate;")
        return json.loads(zlib.decompress(base64.b64decode(packed)))

    return read


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database, made once: its migrations take seconds."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    store._create_database(path)
    return path


@pytest.fixture
def project(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, holding a trained, sampled and evaluated configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    _write_project(tmp_path)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return tmp_path


@pytest.fixture
def edit_params(project: Path) -> Callable[[str, str, Any], None]:
    """Sets one key of the project's params.yaml."""

    def edit(section: str, key: str, value: Any) -> None:
        values = read_yaml("params.yaml")
        values[section][key] = value
        YAML().dump(values, Path("params.yaml"))

    return edit


@pytest.fixture
def write_log() -> Callable[[Path, int], None]:
    """Writes the log up to a step; it depends on the step alone, as a resumed training's does."""
    return _write_log


@pytest.fixture
def write_preview() -> Callable[[Path, int], None]:
    """Writes the preview of a step into a folder."""
    return _write_preview


def _write_log(path: Path, num_steps: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [row for step in range(EVERY, num_steps + 1, EVERY) for row in _rows_of(step)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _write_preview(folder: Path, step: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(step).integers(0, 256, (80, 80), dtype=np.uint8)
    Image.fromarray(noise).save(folder / f"step_{step:08d}.png")


def _write_project(root: Path) -> None:
    shutil.copy(REPOSITORY / "params.yaml", root)
    paths = load_paths(REPOSITORY)
    stages = {}
    for name in RESULT_STAGES:
        (root / f"{name}.py").write_text(f"# {name}\n")
        stages[name] = {"cmd": name, "deps": [f"{name}.py"], "params": _STAGE_PARAMS.get(name, [])}
    variables = read_yaml(REPOSITORY / "dvc.yaml")["vars"]
    YAML().dump({"vars": variables, "stages": stages}, root / "dvc.yaml")
    (root / "dvc.lock").write_text("schema: '2.0'\n")
    for file, value in _results(paths).items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(json.dumps(value))
    _write_log(root / paths.train_log, NUM_STEPS)
    for step in (500, 1000, 1500):
        _write_preview(root / paths.previews, step)
    images = np.random.default_rng(0).integers(0, 256, (120, 8, 8, 1), dtype=np.uint8)
    (root / paths.samples).parent.mkdir(parents=True, exist_ok=True)
    np.savez(root / paths.samples, arr_0=images)


_STAGE_PARAMS = {
    "prepare": ["data", "base.seed"],
    "reference": ["reference"],
    "train": ["noise", "model", "train"],
    "sample": ["sampler", "sample"],
    "evaluate": ["evaluate"],
}


def _rows_of(step: int) -> list[dict[str, float]]:
    loss = 10 + 100 / step
    row = {"step": step, "train/loss": loss}
    row |= {f"train/loss_level_{i:02d}": loss * (i + 1) / 10 for i in range(NUM_LEVELS)}
    return [row] if step % 250 else [row, {"step": step, "val/loss": loss + 1}]


def _results(paths: Any) -> dict[str, dict[str, Any]]:
    split = {"shape": [8, 8, 1], "mean": 77.0, "std": 96.0}
    split |= {"channel_mean": [77.0], "channel_std": [96.0]}
    counted = {"num_samples": 500, "network_evaluations_per_image": 1000}
    sha256 = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("train", "test")}
    return {
        paths.data_summary: {
            "name": "digits",
            "train": {"count": 1437, "sha256": sha256["train"], **split},
            "test": {"count": 360, "sha256": sha256["test"], **split},
            "pairwise": {"max": 4.8, "median": 3.0, "num_points": 1437},
        },
        paths.reference_summary: {"floor/fid": 1.5, "reference/classifier_test_accuracy": 0.98},
        paths.sample_summary: {
            **counted,
            "flops_per_evaluation": 0,
            "execution": {"precision": "fp32", "compiled": "nothing"},
        },
        paths.train_cost: {
            "flops_per_image": 0,
            "num_images": 0,
            "flops": 0,
            "execution": {"precision": "bf16", "compiled": "norms", "threads": 2},
        },
        paths.oracle_metrics: {"oracle/fid": 3.5},
        paths.metrics: {"eval/fid": 12.25, "eval/kid_mean": 0.01, "eval/extractor": "classifier"},
    }

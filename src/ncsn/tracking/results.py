"""What completes a run: params, final metrics, conditions, sample grid, files, data set.

Params and tags are written once and never again; a metric is written again only when its value has
changed.
"""

import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from PIL import Image

from ncsn.base.dotted import flattened
from ncsn.base.image_grid import image_grid
from ncsn.base.metric_names import COUNTS
from ncsn.base.run_record import as_text
from ncsn.tracking.curve import SAMPLES, Logged, publish_image
from ncsn.tracking.key import data_sha256

UNLOGGED_SECTIONS = ("track", "sweep", "report", "toy")  # they decide none of its metrics
SAMPLE_GRID = "samples.png"
REPORT = "report"  # folder of the page among a run's files
GRID_COLUMNS = 10
# Ends of the keys of what was chosen, not measured: text, since MLflow charts every number.
CONSTANTS = (*COUNTS, "/seed", "/block_size", "/flops_per_evaluation", "/guessing_test_accuracy")
_GRID_PX = 640


class Results(NamedTuple):
    """What the stages left.

    Attributes:
        params: sections of params.yaml.
        metrics: numbers, and strings that are their conditions, by key.
        data: summary of the prepared data.
        samples: generated images, uint8, shape (N, H, W, C).
        step: training step of the network that drew them.
        files: copied into the run as they are; missing ones are left out.
        page: the report, shown under the run's artifacts.
    """

    params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    data: Mapping[str, Any]
    samples: np.ndarray
    step: int
    files: tuple[Path, ...]
    page: Path


def publish_results(
    client: MlflowClient,
    run_id: str,
    results: Results,
    logged: Logged,
    model_id: str | None = None,
) -> None:
    """Sends what the run lacks of `results`; sending the same again changes nothing.

    Args:
        client: of the store.
        run_id: the run.
        results: what the stages left.
        logged: images that the run has, by name (what `publish_training` returns).
        model_id: logged model that the metrics also describe, None for no model.
    """
    run = client.get_run(run_id)
    params = dotted({k: v for k, v in results.params.items() if k not in UNLOGGED_SECTIONS})
    numbers, tags = measured_and_constant(results.metrics)
    tags |= {f"data.{split}_sha256": sha256 for split, sha256 in data_sha256(results.data).items()}
    client.log_batch(
        run_id,
        metrics=_changed_metrics(run.data.metrics, numbers, model_id),
        params=[Param(k, v) for k, v in params.items() if k not in run.data.params],
        tags=[RunTag(k, v) for k, v in tags.items() if k not in run.data.tags],
        synchronous=True,
    )
    if not run.inputs.dataset_inputs:
        client.log_inputs(run_id, datasets=[_dataset(results.data)])
    if results.page.exists():  # replaced: a page shows more than the numbers that it is found by
        client.log_artifact(run_id, str(results.page), REPORT)
    present = {entry.path for entry in client.list_artifacts(run_id)}
    for path in results.files:
        if path.exists() and path.name not in present:
            client.log_artifact(run_id, str(path))
    _publish_grid(client, run_id, results, present, logged)


def dotted(params: Mapping[str, Any]) -> dict[str, str]:
    """Returns `section.key` to text, as JSON for all but strings (null, true, 2e-05).

    >>> dotted({"sampler": {"name": "annealed_langevin", "epsilon": 2e-05}})
    {'sampler.name': 'annealed_langevin', 'sampler.epsilon': '2e-05'}
    """
    return {key: as_text(value) for key, value in flattened(params).items()}


def sample_grid(images: np.ndarray) -> np.ndarray:
    """Returns a picture of the first 100 images, ten per row, white where there are fewer.

    Pixels are repeated a whole number of times, so that small images can be seen.

    Args:
        images: uint8, shape (N, H, W, C), C is 1 or 3.

    Returns:
        uint8, shape (height, width, 3).
    """
    shown = images[: GRID_COLUMNS**2]
    colours = np.broadcast_to(shown, (*shown.shape[:3], 3))  # grey spreads over the channels
    return image_grid(colours, GRID_COLUMNS, max(1, _GRID_PX // (GRID_COLUMNS * shown.shape[2])))


def measured_and_constant(
    metrics: Mapping[str, Any],
) -> tuple[dict[str, float], dict[str, str]]:
    """Returns what was measured, which MLflow charts, and as text what was chosen beforehand.

    >>> measured_and_constant({"eval/fid": 1.5, "sample/seed": 7.0, "eval/extractor": "x"})
    ({'eval/fid': 1.5}, {'sample/seed': '7', 'eval/extractor': 'x'})
    """
    texts = {
        key: value if isinstance(value, str) else f"{value:.10g}"
        for key, value in metrics.items()
        if isinstance(value, str) or key.endswith(CONSTANTS)
    }
    return {key: float(v) for key, v in metrics.items() if key not in texts}, texts


def _changed_metrics(
    logged: Mapping[str, float], metrics: Mapping[str, float], model_id: str | None
) -> list[Metric]:
    now = int(time.time() * 1000)
    return [
        Metric(key, value, now, 0, model_id=model_id)
        for key, value in metrics.items()
        if logged.get(key) != value
    ]


def _dataset(summary: Mapping[str, Any]) -> DatasetInput:
    train = summary["train"]
    profile = {"num_train": train["count"], "num_test": summary["test"]["count"]}
    dataset = Dataset(
        name=summary["name"],
        digest=train["sha256"][:32],  # MLflow keeps 36 characters
        source_type="dvc",
        source=json.dumps({"stage": "prepare"}),
        schema=json.dumps({"image_shape": train["shape"], "dtype": "uint8"}),
        profile=json.dumps(profile),
    )
    return DatasetInput(dataset, tags=[InputTag("mlflow.data.context", "training")])


def _publish_grid(
    client: MlflowClient, run_id: str, results: Results, present: set[str], logged: Logged
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / SAMPLE_GRID
        Image.fromarray(sample_grid(results.samples)).save(path)
        if path.name not in present:
            client.log_artifact(run_id, str(path))
        publish_image(client, run_id, SAMPLES, 0, path, logged)

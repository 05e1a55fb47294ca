"""The training curve and the preview images of a run: a mirror of its logs and a folder.

Only what the run does not have yet is sent. So nothing special is needed for a repetition, for a
resumed training whose log was cut back to its last checkpoint, or for one out of DVC's cache.
"""

import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric
from PIL import Image

from ncsn.base.records import read_log

# MLflow sorts groups of charts by the code of their letters: a capital stands before `eval`.
SAMPLES = "Images/samples"
PREVIEWS = "Images/training_previews"
_BATCH = 1000  # MLflow's limit of metrics per request
_LOGGED_IMAGE = re.compile(r"images/([\w~.-]+)\+step\+(\d+)\+.*\+compressed\.webp")

Logged = dict[str, set[int]]


def logged_steps(client: MlflowClient, run_id: str) -> Logged:
    """Returns the steps that the run has of each metric, and of images under their own name."""
    logged: Logged = {}
    for key in client.get_run(run_id).data.metrics:
        logged[key] = {metric.step for metric in client.get_metric_history(run_id, key)}
    for entry in client.list_artifacts(run_id, "images"):
        match = _LOGGED_IMAGE.fullmatch(entry.path)  # written last: its image is whole
        if match:
            key = match[1].replace("~", "/")  # what MLflow writes for a slash
            logged.setdefault(key, set()).add(int(match[2]))
    return logged


def publish_training(
    client: MlflowClient,
    run_id: str,
    logs: Iterable[str | Path],
    previews: str | Path,
    logged: Logged | None = None,
) -> Logged:
    """Sends the points and preview images that the run lacks; missing files count as empty.

    Args:
        client: of the store.
        run_id: the run.
        logs: files of one JSON object per line, with a `step`.
        previews: folder of images called step_<digits>.png.
        logged: what the run is known to have (the last call's result); None asks the store.

    Returns:
        What the run has now.
    """
    logged = logged_steps(client, run_id) if logged is None else logged
    rows = [row for log in logs if Path(log).exists() for row in read_log(log)]
    points = list(_missing_points(rows, logged))
    for start in range(0, len(points), _BATCH):
        batch = points[start : start + _BATCH]
        client.log_batch(run_id, metrics=batch, synchronous=True)
        for point in batch:
            logged.setdefault(point.key, set()).add(point.step)
    for path in sorted(Path(previews).glob("step_*.png")):
        publish_image(client, run_id, PREVIEWS, int(path.stem.removeprefix("step_")), path, logged)
    return logged


def publish_image(
    client: MlflowClient, run_id: str, key: str, step: int, path: str | Path, logged: Logged
) -> None:
    """Sends an image of `step` to the slider `key`, unless `logged` holds it."""
    if step in logged.setdefault(key, set()):
        return
    with Image.open(path) as image:
        client.log_image(run_id, image, key=key, step=step, synchronous=True)
    logged[key].add(step)


def _missing_points(rows: Iterable[Mapping[str, Any]], logged: Logged) -> Iterable[Metric]:
    now = int(time.time() * 1000)
    found = {  # a step that stands twice in the log counts once
        (key, row["step"]): float(value)
        for row in rows
        for key, value in row.items()
        if key != "step" and row["step"] not in logged.get(key, ())
    }
    for (key, step), value in found.items():
        yield Metric(key, value, now, step)

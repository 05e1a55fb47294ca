"""The samples of a run, cut out of the picture that it logged: MLflow holds no array of them."""

import contextlib
import io
import json
import tempfile
from pathlib import Path

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from PIL import Image

from ncsn.tracking.results import GRID_COLUMNS, SAMPLE_GRID

_WHITE = 255


def run_images(client: MlflowClient, run: Run) -> np.ndarray | None:
    """Returns the images of the sample grid, or of the picture that a trial has in its place.

    Enlarged images, uint8, shape (N, H, W, 3); None where there is no picture.
    """
    path = _grid_path(client, run)
    if path is None:
        return None
    try:
        with tempfile.TemporaryDirectory() as folder:
            local = client.download_artifacts(run.info.run_id, path, folder)
            content = Path(local).read_bytes()
        picture = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    except (MlflowException, OSError):  # an artifact that was moved away is no reason to stop
        return None
    return grid_cells(picture, _aspect(run))


def _aspect(run: Run) -> float:
    """Height over width of the run's images; 1 where its data set is not logged."""
    for entry in run.inputs.dataset_inputs if run.inputs else []:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            height, width, _ = json.loads(entry.dataset.schema)["image_shape"]
            return float(height / width)
    return 1.0


def _grid_path(client: MlflowClient, run: Run) -> str | None:
    names = [entry.path for entry in client.list_artifacts(run.info.run_id)]
    if SAMPLE_GRID in names:
        return SAMPLE_GRID
    images = client.list_artifacts(run.info.run_id, "images") if "images" in names else []
    drawn = [e.path for e in images if "samples" in e.path and e.path.endswith(".png")]
    return max(drawn, default=None)


def grid_cells(picture: np.ndarray, aspect: float = 1.0) -> np.ndarray:
    """Returns the images of a `results.sample_grid`, without the empty places at its end.

    Args:
        picture: uint8, shape (height, width, 3).
        aspect: height of an image over its width.

    Returns:
        Enlarged images, uint8, shape (N, H, W, 3).
    """
    width = picture.shape[1] // GRID_COLUMNS
    height = round(width * aspect)
    rows = picture.shape[0] // height
    whole = picture[: rows * height, : GRID_COLUMNS * width]
    cells = whole.reshape(rows, height, GRID_COLUMNS, width, 3).swapaxes(1, 2)
    images = cells.reshape(-1, height, width, 3)
    filled = np.flatnonzero((images != _WHITE).any(axis=(1, 2, 3)))
    return images[: filled[-1] + 1] if len(filled) else images[:0]

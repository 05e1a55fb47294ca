"""Tidy tables of a training and of its metrics, for figures, page and `dvc plots`.

Every number keeps its conditions: extractor, layer, number of images. A metric's floor is the same
measure between real images of the train and the test split.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ncsn import keys
from ncsn.params import NoiseParams

_LEVEL = re.compile(r"_level_(\d+)$")


class LevelLosses(NamedTuple):
    """Loss of each noise level at each logged step.

    Attributes:
        table: columns step, level, sigma and loss.
        key: `val/loss`, or `train/loss` where the log holds no validation of levels.
    """

    table: pd.DataFrame
    key: str


class Metric(NamedTuple):
    """One number with what it needs beside it; `floor` is None where real data have no such value.

    Attributes:
        key: name in metrics.json.
        title: name for people, which says nothing without `measured_on`.
        measured_on: extractor and layer, or raw pixels.
        images: how many were compared, and with what.
        better: "lower" or "higher".
    """

    key: str
    title: str
    measured_on: str
    images: str
    value: float
    spread: float | None
    floor: float | None
    better: str

    @property
    def conditions(self) -> str:
        """What stands in brackets behind the title wherever the value is shown."""
        return f"{self.measured_on}, {self.images}"


def loss_curve(log: Sequence[Mapping[str, Any]], key: str) -> pd.DataFrame:
    """Returns columns step and loss: the lines of the log that hold `key`."""
    rows = [(line["step"], line[key]) for line in log if key in line]
    return pd.DataFrame(rows, columns=["step", "loss"])


def smoothing_window(num_points: int) -> int:
    """Returns the width of the running mean in logged steps: odd, 1/20 of all, at least 5."""
    return 2 * max(2, num_points // 40) + 1


def smoothed(curve: pd.DataFrame) -> np.ndarray:
    """Returns the running mean of a curve's loss, shape (N,).

    The window is centred. It shrinks on both sides at the start, where the loss falls steeply, and
    on the right alone at the end, where the last point should not be one noisy value.
    """
    index, half = np.arange(len(curve)), smoothing_window(len(curve)) // 2
    first = np.maximum(index - half, 0)
    last = np.minimum(index + np.minimum(index, half), len(curve) - 1)
    total = np.concatenate([[0.0], np.cumsum(curve["loss"].to_numpy(float))])
    return (total[last + 1] - total[first]) / (last + 1 - first)


def level_losses(log: Sequence[Mapping[str, Any]], noise: NoiseParams) -> LevelLosses | None:
    """Returns the loss per level from validation lines, else from training lines, else None."""
    for key in (keys.VAL_LOSS, keys.TRAIN_LOSS):
        rows = [
            (line["step"], int(match[1]), value)
            for line in log
            for name, value in line.items()
            if name.startswith(key) and (match := _LEVEL.search(name))
        ]
        if rows:
            table = pd.DataFrame(rows, columns=["step", "level", "loss"])
            table = table.sort_values(["level", "step"], ignore_index=True)
            # noise.geometric_sigmas without torch, whose import takes longer than the report
            sigmas = np.geomspace(noise.sigma_max, noise.sigma_min, noise.num_levels)
            table.insert(2, "sigma", sigmas[table["level"]])
            return LevelLosses(table, key)
    return None


def final_level_losses(losses: LevelLosses) -> pd.DataFrame:
    """Returns the last logged loss of each level, largest sigma first."""
    return losses.table.groupby("level", as_index=False).last().drop(columns="step")


def metric_rows(
    metrics: Mapping[str, Any], reference: Mapping[str, Any], reference_split: str, num_pixels: int
) -> list[Metric]:
    """Returns the metrics that were measured, in the order in which they are shown.

    Args:
        metrics: content of metrics.json.
        reference: content of reference.json.
        reference_split: the split that generated images are compared with.
        num_pixels: H * W * C of an image.
    """
    samples = f"{metrics[keys.FID_NUM_SAMPLES]:,} samples"
    pair = f"{samples} vs {metrics[keys.NUM_REFERENCE]:,} {reference_split} images"
    extractor = metrics[keys.EXTRACTOR]
    features = f"{extractor}, layer {metrics[keys.FEATURE_LAYER]}"
    classes, pixels = f"{extractor}, class outputs", f"raw pixels, {num_pixels:,}-d, [0, 1]"
    shown = [
        (keys.FID, None, "FID", features, pair, "lower"),
        (keys.PIXEL_FRECHET, None, "Fréchet distance", pixels, pair, "lower"),
        (keys.KID_MEAN, keys.KID_STD, "KID", features, pair, "lower"),
        (keys.PRECISION, None, "Precision", features, pair, "higher"),
        (keys.RECALL, None, "Recall", features, pair, "higher"),
        (keys.ISC_MEAN, keys.ISC_STD, "Inception score", classes, samples, "higher"),
    ]
    return [
        Metric(
            key,
            title,
            measured_on,
            images,
            value=metrics[key],
            spread=metrics.get(spread_key) if spread_key else None,
            floor=reference.get(key.replace("eval/", "floor/")),
            better=better,
        )
        for key, spread_key, title, measured_on, images, better in shown
        if key in metrics
    ]


def metric_table(metrics: Sequence[Metric]) -> pd.DataFrame:
    """Returns one row a metric: key, name, conditions, value, spread and floor."""
    columns = ["key", "metric", "conditions", "value", "spread", "floor"]
    rows = [(m.key, m.title, m.conditions, m.value, m.spread, m.floor) for m in metrics]
    return pd.DataFrame(rows, columns=columns)


def bar_table(metrics: Sequence[Metric], *shown: str) -> pd.DataFrame:
    """Returns columns metric and value for a bar chart of the keys `shown`, floors as own rows."""
    rows = []
    for metric in (m for m in metrics if m.key in shown):
        name = f"{metric.title} ({metric.measured_on})"
        rows.append((name, metric.value))
        if metric.floor is not None:
            rows.append((f"floor: {name}", metric.floor))
    return pd.DataFrame(rows, columns=["metric", "value"])

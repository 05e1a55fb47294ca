"""Tidy tables of a training and of its metrics, for figures, page and `dvc plots`.

Every number keeps its conditions: extractor, layer, number of images. A metric's oracle is the
same measure of images drawn with the exact score, its floor the same between the real splits.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ncsn.base import metric_names as keys
from ncsn.base import training_names

_LEVEL = re.compile(r"_level_(\d+)$")


class LevelLosses(NamedTuple):
    """Loss of each noise level at each logged step.

    Attributes:
        table: columns step, level, sigma and loss.
        key: `val/loss`, or `train/loss` where the log holds no validation of levels.
    """

    table: pd.DataFrame
    key: str


class Measured(NamedTuple):
    """One value of `num_images` images of the kind `noun`; reference images are not counted.

    Attributes:
        value: the mean, where several sets were measured.
        spread: what stands behind the plus-minus sign, None where nothing does.
        num_images: in the set, or in each of several sets.
        noun: what the images are.
        means: what `spread` is, in words; empty without one.
        own_spread: spread with the reference images held as they are.
    """

    value: float
    spread: float | None
    num_images: int
    noun: str
    means: str = ""
    own_spread: float | None = None

    @property
    def images(self) -> str:
        """The number of images in words."""
        return f"{self.num_images:,} {self.noun}"


class Metric(NamedTuple):
    """One measure of the network's images with what it needs beside it.

    Attributes:
        key: name in metrics.json.
        title: name for people, which says nothing without `measured_on`.
        measured_on: extractor and layer, or raw pixels.
        compared_with: number and split of the reference images; None where none enter.
        network: of the images that the network draws.
        oracle: of images drawn with the exact score of the training images; None if not measured.
        floor: of the other real split, at the number of generated images where that was measured;
            None where real data have no such value.
        full_floor: of all its images, where `floor` is of fewer; else None.
        better: "lower" or "higher".
    """

    key: str
    title: str
    measured_on: str
    compared_with: str | None
    network: Measured
    oracle: Measured | None
    floor: Measured | None
    full_floor: Measured | None
    better: str

    @property
    def setting(self) -> str:
        """The conditions that network, oracle and floor share."""
        versus = f", vs {self.compared_with}" if self.compared_with else ""
        return f"{self.measured_on}{versus}"

    @property
    def conditions(self) -> str:
        """What stands in brackets behind the title wherever the network's value is shown."""
        versus = f" vs {self.compared_with}" if self.compared_with else ""
        return f"{self.measured_on}, {self.network.images}{versus}"


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


def level_losses(log: Sequence[Mapping[str, Any]], sigmas: Sequence[float]) -> LevelLosses | None:
    """Returns the loss per level from validation lines, else from training lines, else None.

    Args:
        log: lines of the training log.
        sigmas: the level of each index, largest first.
    """
    for key in (training_names.VAL_LOSS, training_names.TRAIN_LOSS):
        rows = [
            (line["step"], int(match[1]), value)
            for line in log
            for name, value in line.items()
            if name.startswith(key) and (match := _LEVEL.search(name))
        ]
        if rows:
            table = pd.DataFrame(rows, columns=["step", "level", "loss"])
            table = table.sort_values(["level", "step"], ignore_index=True)
            table.insert(2, "sigma", np.asarray(sigmas)[table["level"]])
            return LevelLosses(table, key)
    return None


def final_level_losses(losses: LevelLosses) -> pd.DataFrame:
    """Returns the last logged loss of each level, largest sigma first."""
    return losses.table.groupby("level", as_index=False).last().drop(columns="step")


def least_level_losses(
    oracle: Mapping[str, Any] | None, weight_power: float, sigmas: Sequence[float]
) -> pd.DataFrame | None:
    """Returns columns level, sigma, loss and standard_error: what no network gets below.

    None without an oracle, and where the two could not be compared: the weights of the training
    are not the sigma^2 of the oracle's losses, or its levels `sigmas` not those of the oracle.
    """
    if oracle is None or weight_power != 2 or not _same(oracle["sigmas"], sigmas):
        return None
    columns = {"loss": oracle["mean"], "standard_error": oracle["standard_error"]}
    levels = range(len(oracle["sigmas"]))
    return pd.DataFrame({"level": levels, "sigma": oracle["sigmas"], **columns})


def _same(first: Sequence[float], second: Sequence[float]) -> bool:
    return len(first) == len(second) and np.allclose(first, second, rtol=1e-6, atol=0)


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
    pair = f"{metrics[keys.NUM_REFERENCE]:,} {reference_split} images"
    other_split = {"test": "train", "train": "test"}[reference_split]
    real = f"{other_split} images"
    extractor = metrics[keys.EXTRACTOR]
    conditions = {
        "features": (f"{extractor}, layer {metrics[keys.FEATURE_LAYER]}", pair),
        "pixels": (f"raw pixels, {num_pixels:,}-d, [0, 1]", pair),
        "classes": (f"{extractor}, class outputs", None),
    }
    return [
        Metric(
            measure.key,
            measure.title,
            *conditions[measure.measured_on],
            network=_value(metrics, "eval", measure, "samples"),
            oracle=_measured(metrics, "oracle", measure, "samples"),
            floor=matched or full,
            full_floor=full if matched else None,
            better=measure.better,
        )
        for measure in keys.MEASURES
        if measure.key in metrics
        for matched in [_matched(metrics, measure.key, real)]
        for full in [_measured(reference, "floor", measure, real)]
    ]


def metric_table(metrics: Sequence[Metric]) -> pd.DataFrame:
    """Returns one row per metric: key, name, setting; value, spread and number of each side."""
    rows = [
        {"key": metric.key, "metric": metric.title, "setting": metric.setting}
        | {
            f"{side}_{field}": getattr(measured, field, None)
            for side, measured in metric_sides(metric).items()
            for field in ("value", "spread", "num_images")
        }
        for metric in metrics
    ]
    table = pd.DataFrame(rows)
    counts = [name for name in table if name.endswith("_num_images")]
    return table.astype(dict.fromkeys(counts, "Int64"))  # a missing count makes no 500.0


def metric_sides(metric: Metric) -> dict[str, Measured | None]:
    """Returns the three values of a metric by name, from the network to the floor."""
    return {"network": metric.network, "oracle": metric.oracle, "floor": metric.floor}


def bar_table(metrics: Sequence[Metric], *shown: str) -> pd.DataFrame:
    """Returns columns metric and value for a bar chart of the keys `shown`; one row per side."""
    rows = []
    for metric in (m for m in metrics if m.key in shown):
        name = f"{metric.title} ({metric.measured_on})"
        for side, measured in metric_sides(metric).items():
            if measured is not None:
                rows.append((f"{side}, {measured.images}: {name}", measured.value))
    return pd.DataFrame(rows, columns=["metric", "value"])


def _matched(numbers: Mapping[str, Any], key: str, noun: str) -> Measured | None:
    """The floor at the number of generated images, where it was measured."""
    found = keys.matched(key)
    if found not in numbers:
        return None
    spread = numbers.get(keys.std_key(found))
    subsets = numbers[keys.MATCHED_NUM_SUBSETS]
    means = f"standard deviation of {subsets} subsets" if spread is not None else ""
    size = numbers[keys.matched(keys.FID_NUM_SAMPLES)]
    return Measured(numbers[found], spread, size, noun, means, spread)


def _measured(
    numbers: Mapping[str, Any], prefix: str, measure: keys.Measure, noun: str
) -> Measured | None:
    if measure.key.replace("eval/", f"{prefix}/") not in numbers:
        return None
    return _value(numbers, prefix, measure, noun)


def _value(numbers: Mapping[str, Any], prefix: str, measure: keys.Measure, noun: str) -> Measured:
    """What a measure gives, found under another prefix than `eval/`."""

    def found(name: str | None) -> Any:
        return numbers.get(name.replace("eval/", f"{prefix}/")) if name else None

    value, count = found(measure.key), found(keys.FID_NUM_SAMPLES)
    error = found(keys.stderr_key(measure.key))
    if error is not None:
        own = found(keys.samples_stderr_key(measure.key))
        return Measured(value, error, count, noun, "standard error", own)
    spread = found(measure.spread)
    return Measured(value, spread, count, noun, "" if spread is None else "over parts")

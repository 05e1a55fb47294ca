"""Parallel coordinates: a line for each complete trial over all axes and the first objective."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ncsn.report.sweep.inputs import SweepStudy, axis_number, is_log, metric_title
from ncsn.report.sweep.scales import choice_names, positions

WIDTH, HEIGHT = 1000.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 60.0, 60.0, 40.0, 22.0
_MIN_TRIALS = 3


class Column(NamedTuple):
    """An upright line.

    Attributes:
        title: what it shows.
        x: where it stands.
        ticks: pairs of height and text.
    """

    title: str
    x: float
    ticks: list[tuple[float, str]]


class Line(NamedTuple):
    """A trial: its number, points as SVG writes them, its rank from 0, the best, to 1."""

    number: int
    points: str
    rank: float


class Parallel(NamedTuple):
    """What the page draws, in units of WIDTH and HEIGHT."""

    columns: list[Column]
    lines: list[Line]


def parallel_coordinates(study: SweepStudy) -> Parallel | None:
    """Returns the drawing; None for a study of one axis, or with hardly any trial."""
    trials = study.complete()
    if len(study.axes) < 2 or len(trials) < _MIN_TRIALS:
        return None
    key = next(iter(study.objectives))
    xs = np.linspace(_LEFT, WIDTH - _RIGHT, len(study.axes) + 1)
    columns, heights = [], []
    for name, x in zip(study.axes, xs, strict=False):
        shares, ticks = _axis(study, name, trials)
        columns.append(Column(name, float(x), ticks))
        heights.append(shares)
    shares, ticks = _objective(trials[key].to_numpy(float))
    columns.append(Column(metric_title(study, key).partition(" (")[0], float(xs[-1]), ticks))
    places = np.array([_height(one) for one in [*heights, shares]]).T
    rank = trials[key].rank(ascending=study.objectives[key] == "minimize").to_numpy(float)
    ranks = (rank - 1) / max(1, len(trials) - 1)
    lines = [
        Line(int(number), _points(xs, row), float(share))
        for number, row, share in zip(trials["number"], places, ranks, strict=True)
    ]
    return Parallel(columns, sorted(lines, key=lambda line: -line.rank))  # the best on top


def _axis(
    study: SweepStudy, name: str, trials: pd.DataFrame
) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Shares of the range, 0 to 1, and ticks."""
    axis: Mapping[str, Any] = study.axes[name]
    values = positions(study, name, trials[name])
    if "choices" in axis:
        names = choice_names(dict(axis))
        last = max(1, len(names) - 1)
        ticks = [(float(_height(np.array(i / last))), text) for i, text in enumerate(names)]
        return values / last, ticks
    ends = np.array([axis["low"], axis["high"]], float)
    low, high = (axis_number(float(end)) for end in ends)
    if is_log(dict(axis)):
        values, ends = np.log(values), np.log(ends)
    return (values - ends[0]) / (ends[1] - ends[0]), _ends(low, high)


def _objective(values: np.ndarray) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """The smallest value below, on a log scale where all are positive."""
    scaled = np.log(values) if values.min() > 0 else values
    width = float(np.ptp(scaled)) or 1.0
    return (scaled - scaled.min()) / width, _ends(f"{values.min():.3g}", f"{values.max():.3g}")


def _ends(low: str, high: str) -> list[tuple[float, str]]:
    return [(HEIGHT - _BOTTOM, low), (_TOP, high)]


def _height(share: np.ndarray) -> np.ndarray:
    return HEIGHT - _BOTTOM - share * (HEIGHT - _BOTTOM - _TOP)


def _points(xs: np.ndarray, heights: np.ndarray) -> str:
    """An axis that a trial has not is passed over."""
    pairs = zip(xs, heights, strict=True)
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs if np.isfinite(y))

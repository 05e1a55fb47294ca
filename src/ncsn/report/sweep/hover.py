"""What a reader sees when pointing at a trial: where it stands in each chart, and what to say."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ncsn.report.sweep.inputs import SweepStudy, metric_title, value_texts
from ncsn.report.sweep.marginals import places_along
from ncsn.report.sweep.samples import picture_of, point_of


class Spot(NamedTuple):
    """A trial in a chart.

    Attributes:
        number: of the trial.
        left: from the picture's left edge, in percent of its width.
        top: from its upper edge, in percent of its height.
    """

    number: int
    left: float
    top: float


def spots(study: SweepStudy, what: str, figure: Figure) -> list[Spot]:
    """Returns where the complete trials stand in a chart that has been drawn.

    Args:
        study: the study.
        what: the chart, as `study_figures` names it.
        figure: the chart.
    """
    trials, objectives = study.complete(), list(study.objectives)
    kind, _, axis = what.partition(" ")
    found: list[Spot] = []
    if kind == "marginal":
        trials = trials.dropna(subset=[axis])
        for panel, key in zip(figure.axes, objectives, strict=False):
            found += _placed(figure, panel, trials, places_along(study, axis, trials), trials[key])
    elif kind == "history":
        for panel, key in zip(figure.axes, objectives, strict=False):
            found += _placed(figure, panel, trials, trials["number"], trials[key])
    elif kind == "pair":
        first, second = (label.get_text() for label in _labels(figure.axes[0]))
        found += _placed(figure, figure.axes[0], trials, trials[first], trials[second])
    elif kind == "front":
        across, up = objectives[::-1]
        found += _placed(figure, figure.axes[0], trials, trials[across], trials[up])
    return found


def told(study: SweepStudy) -> dict[str, dict[str, Any]]:
    """Returns what is said of each complete trial, by its number: lines of text and a picture."""
    found = {}
    titles = {key: metric_title(study, key).partition(" (")[0] for key in study.objectives}
    texts = {key: value_texts(study, key) for key in study.objectives}
    for _, row in study.complete().iterrows():
        number = int(row["number"])
        values = [f"{title} {texts[key][number]}" for key, title in titles.items()]
        lines = [f"trial {number} · {', '.join(values)}", *point_of(study, row).split(", ")]
        found[str(number)] = {"lines": lines, "picture": picture_of(study, number)}
    return found


def _labels(axes: Axes) -> tuple[Any, Any]:
    return axes.xaxis.label, axes.yaxis.label


def _placed(figure: Figure, axes: Axes, trials: pd.DataFrame, x: Any, y: Any) -> Iterator[Spot]:
    at = np.column_stack([np.asarray(x, float), np.asarray(y, float)])
    pixels = axes.transData.transform(at)
    width, height = figure.bbox.width, figure.bbox.height
    for number, (left, bottom) in zip(trials["number"], pixels, strict=True):
        if np.isfinite(left + bottom):
            top = 100 - 100 * bottom / height
            yield Spot(int(number), round(100 * left / width, 2), round(top, 2))

"""What all charts of a study share: colours, marks, axes of values and of objectives.

Numbers stand on the scale on which they were searched; choices stand side by side.
"""

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from ncsn.base.chart_style import ACCENT, INK, LINE, PLAIN
from ncsn.report.run.charts import LOG_FROM_RATIO
from ncsn.report.sweep.inputs import SweepStudy, axis_number, is_log

GREEN, RED, ORACLE = "#2f7d4f", "#b3261e", "#8a6fb0"
_POWERS_FROM = 1e4  # a range of this ratio has 10^n at its ticks
_WRAP = 14


class Mark(NamedTuple):
    """How a named point is drawn; `size` in square points."""

    marker: str
    color: str
    size: float


MARKS = {  # of the points that theory, params.yaml and the search arrived at
    "advised": Mark("D", GREEN, 46),
    "present": Mark("s", INK, 42),
    "best": Mark("*", ACCENT, 190),
}


def positions(study: SweepStudy, name: str, values: pd.Series | Sequence[Any]) -> np.ndarray:
    """Returns where values stand on an axis: themselves, or the place of a choice from 0."""
    axis = study.axes[name]
    if "choices" not in axis:
        return np.asarray(values, float)
    places = {text: i for i, text in enumerate(choice_names(axis))}
    return np.array([places.get(_as_text(value), np.nan) for value in values], float)


def choice_names(axis: dict[str, Any]) -> list[str]:
    """Returns the choices of an axis, or the names of its bundles, as params.yaml spells them."""
    return [_as_text(choice) for choice in axis["choices"]]


def value_axis(axes: Axes, study: SweepStudy, name: str, vertical: bool = False) -> None:
    """Sets scale, limits and ticks of the axis `name`."""
    axis, which = study.axes[name], axes.yaxis if vertical else axes.xaxis
    set_scale, set_limits = (
        (axes.set_yscale, axes.set_ylim) if vertical else (axes.set_xscale, axes.set_xlim)
    )
    which.set_label_text(name)
    if "choices" in axis:
        names = [_wrapped(text) for text in choice_names(axis)]
        which.set_ticks(range(len(names)), names)
        set_limits(-0.6, len(names) - 0.4)
        return
    low, high = axis["low"], axis["high"]
    if is_log(axis):
        set_scale("log")
        log_ticks(which, low, high)
        which.set_minor_formatter(NullFormatter())
        margin = (high / low) ** 0.03
        set_limits(low / margin, high * margin)
    else:
        margin = 0.03 * (high - low)
        set_limits(low - margin, high + margin)
    which.set_major_formatter(FuncFormatter(lambda value, _: axis_number(float(value))))


def objective_axis(which: Any, set_scale: Any, values: np.ndarray) -> None:
    """A log scale where positive values span more than LOG_FROM_RATIO."""
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > LOG_FROM_RATIO * values.min():
        set_scale("log")
        log_ticks(which, values.min(), values.max())


def log_ticks(which: Any, low: float, high: float) -> None:
    """Ticks at 1, 2 and 5 of each decade, at powers alone over a wide range."""
    if high / low >= _POWERS_FROM:
        return
    subs = (1.0, 2.0, 5.0) if high / low < 400 else (1.0,)
    which.set_major_locator(LogLocator(subs=subs))
    which.set_major_formatter(PLAIN)
    which.set_minor_locator(NullLocator())
    which.set_minor_formatter(NullFormatter())


def draw_trials(
    axes: Axes, x: np.ndarray, y: np.ndarray, ran: np.ndarray, feasible: np.ndarray, label: bool
) -> None:
    """Trials as circles: filled where a network was trained, hollow where one was reused."""
    for filled, meaning in ((True, "network trained"), (False, "training reused")):
        for kept, alpha in ((feasible, 0.9), (~feasible, 0.3)):
            chosen = (ran == filled) & kept
            face = LINE if filled else "white"
            text = meaning if label and kept is feasible and chosen.any() else None
            axes.scatter(
                x[chosen],
                y[chosen],
                s=26,
                facecolor=face,
                edgecolor=LINE,
                lw=1.1,
                alpha=alpha,
                zorder=3,
                label=text,
            )


def marked(study: SweepStudy) -> list[tuple[str, dict[str, Any]]]:
    """Returns the named points: advised, present, best; `trial_summary` of each."""
    known = study.summary["theory_and_search"]
    return [(name, known[name]) for name in MARKS if name in known]


def draw_mark(axes: Axes, origin: str, x: float, y: float) -> None:
    """Draws a named point above all trials."""
    mark = MARKS[origin]
    axes.scatter(
        [x],
        [y],
        marker=mark.marker,
        color=mark.color,
        s=mark.size,
        edgecolor="white",
        lw=0.9,
        zorder=5,
        label=origin,
    )


def legend(axes: Axes, columns: int = 4) -> None:
    """One line above the chart."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=columns,
            borderaxespad=0.2,
            columnspacing=1.0,
            handletextpad=0.4,
            fontsize=7.5,
        )


def feasible(trials: pd.DataFrame) -> np.ndarray:
    """Returns which trials keep the constraints, bool."""
    return trials["feasible"].map(lambda value: str(value) != "False").to_numpy(bool)


def _as_text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _wrapped(name: str) -> str:
    """Breaks a long name after underscores, its only gaps."""
    if len(name) <= _WRAP:
        return name
    return textwrap.fill(name.replace("_", "_ "), _WRAP, break_long_words=False).replace("_ ", "_")

"""One chart for each axis: its values against the objectives and the seconds of the trials.

A study of one axis gets lines; one of several gets the median over bins of equal counts, since
the other axes move at the same time.
"""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ncsn.base.chart_style import ACCENT, FAINT, LINE, in_house_style
from ncsn.base.trial_record import EDGE_SHARE
from ncsn.report.sweep.inputs import (
    SweepStudy,
    is_log,
    metric_title,
    not_told_apart,
    shown_value,
    standard_errors,
    trained,
)
from ncsn.report.sweep.scales import (
    MARKS,
    ORACLE,
    RED,
    draw_mark,
    draw_trials,
    feasible,
    legend,
    marked,
    objective_axis,
    positions,
    value_axis,
)

MAX_BINS, MIN_IN_BIN = 6, 4
_JITTER = 0.12  # of the distance between two choices


@in_house_style
def plot_marginal(study: SweepStudy, name: str, oracle: SweepStudy | None = None) -> Figure:
    """Objectives and seconds of all trials against the axis `name`.

    Args:
        study: the study.
        name: one of its axes.
        oracle: the same study with the exact score, drawn beside; None draws none.
    """
    objectives = list(study.objectives)
    figure = Figure(figsize=(6, 2.6 + 2.1 * len(objectives)))
    panels = figure.subplots(
        len(objectives) + 1, 1, sharex=True, height_ratios=[2.4] * len(objectives) + [1]
    )
    trials = study.complete().dropna(subset=[name])
    for panel, objective in zip(panels, objectives, strict=False):
        _objective_panel(panel, study, trials, name, objective, oracle)
    _seconds_panel(panels[-1], study, name)
    for panel in panels:
        _range_ends(panel, study.axes[name])
    value_axis(panels[-1], study, name)
    legend(panels[0])
    return figure


def _objective_panel(
    axes: Axes,
    study: SweepStudy,
    trials: pd.DataFrame,
    name: str,
    objective: str,
    oracle: SweepStudy | None,
) -> None:
    x, y = positions(study, name, trials[name]), trials[objective].to_numpy(float)
    values = [y]
    if oracle is not None and objective in oracle.objectives and name in oracle.axes:
        values.append(_draw_oracle(axes, study, oracle, name, objective))
    _trend(axes, study, name, x, y, LINE)
    at = places_along(study, name, trials)
    if len(study.objectives) == 1:
        _draw_not_told(axes, at, y, not_told_apart(trials).to_numpy(bool))
    errors = standard_errors(trials, objective)
    if errors is not None:
        axes.errorbar(at, y, yerr=errors, fmt="none", ecolor=FAINT, elinewidth=1, zorder=2)
    ran = trained(trials).to_numpy(bool)
    draw_trials(axes, at, y, ran, feasible(trials), label=True)
    _draw_marked(axes, study, name, objective)
    axes.set_ylabel(_folded(metric_title(study, objective)))
    objective_axis(axes.yaxis, axes.set_yscale, np.concatenate(values))
    _ended_without(axes, study, name)


def _draw_not_told(axes: Axes, x: np.ndarray, y: np.ndarray, near: np.ndarray) -> None:
    """Rings around the trials that cannot be told from the best."""
    if near.any():
        axes.scatter(
            x[near],
            y[near],
            s=110,
            facecolor="none",
            edgecolor=ACCENT,
            lw=1.1,
            zorder=2.5,
            label="not told from the best",
        )


def _draw_oracle(
    axes: Axes, study: SweepStudy, oracle: SweepStudy, name: str, objective: str
) -> np.ndarray:
    trials = oracle.complete().dropna(subset=[name])
    x, y = positions(study, name, trials[name]), trials[objective].to_numpy(float)
    axes.scatter(
        x + 1.6 * abs(_jitter(study, name, trials["number"])),
        y,
        marker="^",
        s=14,
        color=ORACLE,
        alpha=0.6,
        lw=0,
        zorder=2,
        label="oracle (exact score)",
    )
    _trend(axes, study, name, x, y, ORACLE)
    return y


def _trend(
    axes: Axes, study: SweepStudy, name: str, x: np.ndarray, y: np.ndarray, colour: str
) -> None:
    """A line through the means of equal values, or through medians of bins; choices get bars."""
    known = np.isfinite(x) & np.isfinite(y)
    table = pd.DataFrame({"x": x[known], "y": y[known]}).sort_values("x")
    if "choices" in study.axes[name]:
        for place, rows in table.groupby("x"):
            axes.hlines(rows["y"].median(), place - 0.25, place + 0.25, color=colour, lw=1.6)
        return
    if len(study.axes) == 1:
        line = table.groupby("x", as_index=False)["y"].mean()
    else:
        num_bins = min(MAX_BINS, len(table) // MIN_IN_BIN)
        if num_bins < 2:
            return
        bins = np.arange(len(table)) * num_bins // len(table)
        line = table.groupby(bins).median()
    axes.plot(line["x"], line["y"], color=colour, lw=1.4, alpha=0.75, zorder=2)


def _draw_marked(axes: Axes, study: SweepStudy, name: str, objective: str) -> None:
    """The best, advised and present points; one without a result is only a line."""
    for origin, trial in marked(study):
        if name not in trial["point"]:
            continue
        colour = MARKS[origin].color
        x = positions(study, name, [trial["point"][name]])
        axes.axvline(x[0], color=colour, lw=0.9, ls=(0, (4, 3)), alpha=0.7, zorder=1)
        y = shown_value(trial, objective)
        if y is None:
            axes.plot([], [], color=colour, lw=0.9, ls="--", label=f"{origin}, no result")
            continue
        jitter = _jitter(study, name, pd.Series([trial["number"]]))
        draw_mark(axes, origin, float(x[0] + jitter[0]), y)


def _seconds_panel(axes: Axes, study: SweepStudy, name: str) -> None:
    ended = study.trials["state"] != "running"  # those that ran no stage have no cost to show
    trials = study.trials[ended & (study.trials["seconds"] > 0)].dropna(subset=[name])
    x = positions(study, name, trials[name]) + _jitter(study, name, trials["number"])
    y = trials["seconds"].to_numpy(float)
    draw_trials(axes, x, y, trained(trials).to_numpy(bool), feasible(trials), label=False)
    axes.set_ylabel("seconds\nper trial")
    objective_axis(axes.yaxis, axes.set_yscale, y)
    if axes.get_yscale() == "linear" and len(y):
        axes.set_ylim(0, 1.1 * y.max())


def _ended_without(axes: Axes, study: SweepStudy, name: str) -> None:
    """Pruned and failed trials along the upper edge."""
    for state, marker, colour in (("pruned", "|", FAINT), ("failed", "x", RED)):
        trials = study.trials[study.trials["state"] == state].dropna(subset=[name])
        if len(trials):
            axes.scatter(
                positions(study, name, trials[name]),
                np.full(len(trials), 0.975),
                transform=axes.get_xaxis_transform(),
                marker=marker,
                color=colour,
                s=26,
                lw=1.3,
                label=state,
                clip_on=False,
            )


def _range_ends(axes: Axes, axis: dict[str, Any]) -> None:
    """Shades the two ends in which a best trial earns a warning, and what lies outside."""
    if "low" not in axis:
        return
    low, high = axis["low"], axis["high"]
    if is_log(axis):
        inner = (low * (high / low) ** EDGE_SHARE, high / (high / low) ** EDGE_SHARE)
        outer = (low / (high / low), high * (high / low))
    else:
        inner = (low + EDGE_SHARE * (high - low), high - EDGE_SHARE * (high - low))
        outer = (2 * low - high, 2 * high - low)
    for ends in ((outer[0], inner[0]), (inner[1], outer[1])):
        axes.axvspan(*ends, color="#f1efe9", lw=0, zorder=0)


def places_along(study: SweepStudy, name: str, trials: pd.DataFrame) -> np.ndarray:
    """Returns where the circles of trials stand along the axis `name`."""
    return positions(study, name, trials[name]) + _jitter(study, name, trials["number"])


def _jitter(study: SweepStudy, name: str, numbers: pd.Series) -> np.ndarray:
    """Moves trials of one choice apart, by their number alone."""
    if "choices" not in study.axes[name]:
        return np.zeros(len(numbers))
    golden = numbers.fillna(0).to_numpy(float) * 0.6180339887 % 1
    return _JITTER * (2 * golden - 1)


def _folded(title: str) -> str:
    return title.replace(" (", "\n(", 1)

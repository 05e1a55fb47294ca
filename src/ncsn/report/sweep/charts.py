"""Charts of a whole study: the strongest pair of axes, the front, importances, the search.

Each takes an exported study; which charts a study has is decided in `write`.
"""

from typing import Any

import matplotlib.colors
import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ncsn.base.chart_style import ACCENT, LINE, PLAIN, RAW, in_house_style
from ncsn.report.sweep.inputs import SweepStudy, is_log, metric_title, numeric_axes, trained
from ncsn.report.sweep.scales import (
    ORACLE,
    draw_mark,
    draw_trials,
    feasible,
    legend,
    marked,
    objective_axis,
    value_axis,
)

BANDWIDTH = 0.12  # of an axis' range: standard deviation of the kernel of the map
_REACH = 2.0  # bandwidths from the nearest trial at which the map ends
_CELLS = 140
_CONTOURS = 9
MIN_PAIR = 6  # complete trials for a map


def strongest_pair(study: SweepStudy) -> tuple[str, str] | None:
    """Returns the two axes of numbers with the largest importance, None where there are not two.

    fANOVA's shares decide, PED-ANOVA's where there are none, else the order of the study file.
    """
    names = numeric_axes(study)
    for found in next(iter(study.summary["importances"].values()), {}).values():
        ranked = [name for name in found.get("shares", {}) if name in names]
        if len(ranked) >= 2:
            return ranked[0], ranked[1]
    return (names[0], names[1]) if len(names) >= 2 else None


@in_house_style
def plot_pair(study: SweepStudy, first: str, second: str) -> Figure:
    """Map of the first objective over two axes, with the trials that it was made from.

    The surface is the mean of the trials' values (of their logarithms, where all are positive)
    under a Gaussian kernel of BANDWIDTH; where no trial is near there is none.
    """
    objective = next(iter(study.objectives))
    trials = study.complete().dropna(subset=[first, second])
    values = trials[objective].to_numpy(float)
    figure = Figure(figsize=(6.4, 4.6))
    axes = figure.subplots()
    drawn = _draw_surface(axes, study, first, second, trials, values)
    axes.scatter(
        trials[first],
        trials[second],
        c=values,
        cmap=drawn.cmap,
        norm=drawn.norm,  # type: ignore[arg-type]  # what matplotlib gives and takes
        s=30,
        edgecolor="white",
        lw=1,
        zorder=3,
    )
    for origin, trial in marked(study):
        if first in trial["point"] and second in trial["point"]:
            draw_mark(axes, origin, trial["point"][first], trial["point"][second])
    value_axis(axes, study, first)
    value_axis(axes, study, second, vertical=True)
    axes.grid(False)
    bar = figure.colorbar(drawn, ax=axes, pad=0.02, aspect=30, extend="max", format=PLAIN)
    bar.set_label(metric_title(study, objective))
    bar.outline.set_visible(False)
    legend(axes)
    return figure


def _draw_surface(
    axes: Axes,
    study: SweepStudy,
    first: str,
    second: str,
    trials: pd.DataFrame,
    values: np.ndarray,
) -> QuadMesh:
    """The kernel mean as a map with contours; its colours end at the worst tenth of the trials."""
    logs = bool(values.min() > 0)
    grid_x, grid_y, surface = _surface(study, first, second, trials, values, logs)
    shown = surface[np.isfinite(surface)]
    scale = (matplotlib.colors.LogNorm if logs else matplotlib.colors.Normalize)(
        min(shown.min(), values.min()), np.quantile(values, 0.9) if len(values) > 1 else None
    )
    colours = colormaps["viridis"]
    drawn = axes.pcolormesh(grid_x, grid_y, surface, cmap=colours, norm=scale, rasterized=True)
    lines = axes.contour(
        grid_x, grid_y, surface, _levels(shown, logs), colors="white", linewidths=0.7
    )
    axes.clabel(lines, fmt=lambda value: f"{value:.3g}", fontsize=7)
    return drawn


def _surface(
    study: SweepStudy,
    first: str,
    second: str,
    trials: pd.DataFrame,
    values: np.ndarray,
    logs: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Grids of both axes, shape (N,), and the kernel mean, shape (N, N), NaN far from trials."""
    unit = np.linspace(0, 1, _CELLS)
    at = [_to_unit(study.axes[name], trials[name].to_numpy(float)) for name in (first, second)]
    distance = (unit[None, :, None] - at[0]) ** 2 + (unit[:, None, None] - at[1]) ** 2
    distance /= BANDWIDTH**2
    weight = np.exp(-(distance - distance.min(-1, keepdims=True)) / 2)
    heights = np.log(values) if logs else values
    surface = (weight * heights).sum(-1) / weight.sum(-1)
    surface = np.exp(surface) if logs else surface
    surface[distance.min(-1) > _REACH**2] = np.nan
    grids = [_from_unit(study.axes[name], unit) for name in (first, second)]
    return grids[0], grids[1], surface


def _to_unit(axis: dict[str, Any], values: np.ndarray) -> np.ndarray:
    low, high = axis["low"], axis["high"]
    if is_log(axis):
        return np.log(values / low) / np.log(high / low)
    return (values - low) / (high - low)


def _from_unit(axis: dict[str, Any], unit: np.ndarray) -> np.ndarray:
    low, high = axis["low"], axis["high"]
    return low * (high / low) ** unit if is_log(axis) else low + (high - low) * unit


def _levels(surface: np.ndarray, logs: bool) -> np.ndarray:
    space = np.geomspace if logs else np.linspace
    return np.unique(space(surface.min(), surface.max(), _CONTOURS + 2)[1:-1])


@in_house_style
def plot_front(study: SweepStudy, oracle: SweepStudy | None = None) -> Figure:
    """The two objectives against one another, with the Pareto front; the oracle's beside it."""
    across, up = list(study.objectives)[::-1]
    figure = Figure(figsize=(9, 4))
    axes = figure.subplots()
    xs, ys = [], []
    if oracle is not None and list(oracle.objectives) == list(study.objectives):
        rows = oracle.complete()
        axes.scatter(
            rows[across], rows[up], marker="^", s=14, color=ORACLE, alpha=0.6, lw=0, label="oracle"
        )
        _front_line(axes, oracle, across, up, ORACLE, "oracle's front")
        xs.append(rows[across].to_numpy(float))
        ys.append(rows[up].to_numpy(float))
    trials = study.complete()
    x, y = trials[across].to_numpy(float), trials[up].to_numpy(float)
    _front_line(axes, study, across, up, ACCENT, "Pareto front")
    draw_trials(axes, x, y, trained(trials).to_numpy(bool), feasible(trials), label=True)
    for origin, trial in marked(study):
        if origin != "best" and trial["objectives"]:
            draw_mark(axes, origin, trial["objectives"][across], trial["objectives"][up])
    axes.set_xlabel(metric_title(study, across))
    axes.set_ylabel(metric_title(study, up))
    objective_axis(axes.xaxis, axes.set_xscale, np.concatenate([x, *xs]))
    objective_axis(axes.yaxis, axes.set_yscale, np.concatenate([y, *ys]))
    legend(axes, columns=7)
    return figure


def _front_line(
    axes: Axes, study: SweepStudy, across: str, up: str, colour: str, label: str
) -> None:
    front = sorted(
        (trial["objectives"][across], trial["objectives"][up]) for trial in study.summary["best"]
    )
    if front:
        x, y = zip(*front, strict=True)
        style = "steps-post" if study.objectives[across] == "minimize" else "steps-pre"
        axes.plot(x, y, drawstyle=style, color=colour, lw=1.6, label=label)


def importance_shares(study: SweepStudy) -> dict[str, dict[str, dict[str, float]]]:
    """Returns shares by objective, evaluator and axis; objectives without any are left out."""
    found = {
        objective: {name: one["shares"] for name, one in evaluators.items() if "shares" in one}
        for objective, evaluators in study.summary["importances"].items()
    }
    return {objective: shares for objective, shares in found.items() if shares}


@in_house_style
def plot_importances(study: SweepStudy) -> Figure:
    """Bars of both evaluators for each objective that has any."""
    found = importance_shares(study)
    num_axes = max(len(share) for shares in found.values() for share in shares.values())
    figure = Figure(figsize=(4.5 * (1 + len(found)), 0.9 + 0.42 * num_axes))
    panels = np.atleast_1d(figure.subplots(1, len(found)))
    for axes, (objective, shares) in zip(panels, found.items(), strict=True):
        _bars(axes, shares)
        axes.set_xlabel(f"share, {metric_title(study, objective)}")
    panels[0].legend(loc="lower right", fontsize=7.5)
    return figure


def _bars(axes: Axes, shares: dict[str, dict[str, float]]) -> None:
    names = list(next(iter(shares.values())))[::-1]  # the largest share stands on top
    height = 0.76 / len(shares)
    for i, (evaluator, share) in enumerate(shares.items()):
        places = np.arange(len(names)) + 0.38 - height * (i + 0.5)
        values = [share.get(name, 0.0) for name in names]
        bars = axes.barh(places, values, height * 0.92, color=(LINE, RAW)[i % 2], label=evaluator)
        axes.bar_label(bars, [f"{value:.2f}" for value in values], padding=3, fontsize=7.5)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlim(0, 1.08 * max(max(share.values()) for share in shares.values()))
    axes.grid(False, axis="y")


@in_house_style
def plot_history(study: SweepStudy) -> Figure:
    """Objectives of the trials in their order, and the best so far among feasible ones."""
    figure = Figure(figsize=(9, 0.8 + 2.2 * len(study.objectives)))
    panels = np.atleast_1d(figure.subplots(len(study.objectives), 1, sharex=True))
    trials = study.complete()
    number = trials["number"].to_numpy(float)
    ran, kept = trained(trials).to_numpy(bool), feasible(trials)
    for axes, (objective, direction) in zip(panels, study.objectives.items(), strict=True):
        values = trials[objective].to_numpy(float)
        draw_trials(axes, number, values, ran, kept, label=True)
        best = np.minimum if direction == "minimize" else np.maximum
        if kept.any():
            line = best.accumulate(values[kept])
            last = max(float(study.trials["number"].max()), number.max())
            axes.step(
                np.append(number[kept], last),
                np.append(line, line[-1]),
                where="post",
                color=ACCENT,
                lw=1.6,
                label="best so far in the search",
                zorder=2,
            )
        for origin, trial in marked(study):
            if origin != "best" and objective in trial["objectives"]:
                draw_mark(axes, origin, trial["number"], trial["objectives"][objective])
        axes.set_ylabel(metric_title(study, objective).replace(" (", "\n(", 1))
        objective_axis(axes.yaxis, axes.set_yscale, values)
    panels[-1].set_xlabel("trial")
    panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    legend(panels[0], columns=6)
    return figure

"""Charts of the training; a `plot_` function returns a Figure."""

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from ncsn.base import training_names
from ncsn.base.chart_style import ACCENT, FAINT, INK, LINE, PLAIN, RAW, in_house_style
from ncsn.report.run.tables import LevelLosses, final_level_losses, smoothed, smoothing_window

MAX_LINES = 24  # levels drawn against step; of more, evenly spaced ones
LOG_FROM_RATIO = 20  # a curve that spans more than this is drawn on a log axis


@in_house_style
def plot_training(
    training: pd.DataFrame,
    validation: pd.DataFrame,
    zero_score_loss: float | None,
    least_loss: float | None = None,
) -> Figure:
    """Loss against step: logged values, their running mean and the validation loss.

    Args:
        training: columns step and loss.
        validation: the same; may be empty.
        zero_score_loss: loss of a network that returns zero, drawn as a line; None draws none.
        least_loss: mean over levels of the least reachable losses, dotted; None draws none.
    """
    figure = Figure(figsize=(9, 3.4))
    axes = figure.subplots()
    axes.plot(training["step"], training["loss"], color=RAW, lw=1, label="training, as logged")
    label = f"training, running mean of {smoothing_window(len(training))} logged steps"
    axes.plot(training["step"], smoothed(training), color=LINE, lw=1.8, label=label)
    if len(validation):
        axes.plot(
            validation["step"],
            validation["loss"],
            color=ACCENT,
            lw=1.5,
            marker=_marker(len(validation)),
            ms=3.5,
            label="held-out images, weights of sampling",
        )
    _zero_score(axes, zero_score_loss, "zero score")
    if least_loss is not None:
        axes.axhline(least_loss, color=INK, lw=1.2, ls=":")
        _label_line(axes, least_loss, f"least reachable, training images: {least_loss:.4g}", INK)
    _loss_axis(axes, np.concatenate([training["loss"], validation["loss"]]))
    _step_axis(axes)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0.2, columnspacing=1.2
    )
    return figure


@in_house_style
def plot_level_losses(
    losses: LevelLosses, zero_score_loss: float | None, least: pd.DataFrame | None = None
) -> Figure:
    """Loss of each noise level against step, and its last value against sigma.

    One colour scale over levels serves both panels.

    Args:
        losses: loss of each level at each logged step.
        zero_score_loss: as in `plot_training`.
        least: columns sigma, loss and standard_error of the least reachable losses; None draws
            none.
    """
    final = final_level_losses(losses)
    colours = _level_colours(final["sigma"].to_numpy())
    figure = Figure(figsize=(9, 3.4))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1.25, 1])
    num_drawn = _draw_levels(left, losses.table, final["level"], colours)
    size = 22 if len(final) <= MAX_LINES else 8
    right.scatter(
        final["sigma"], final["loss"], c=colours.to_rgba(final["sigma"]), s=size, zorder=3
    )
    _zero_score(left, zero_score_loss, None)
    _zero_score(right, zero_score_loss, "zero score")
    _loss_axis(left, losses.table["loss"].to_numpy())
    _step_axis(left)
    _level_axis(right)
    _least(right, least)
    source = "held-out images" if losses.key == training_names.VAL_LOSS else "training images"
    which = "each level" if num_drawn == len(final) else f"{num_drawn} of {len(final)} levels"
    left.set_title(f"{which} during training, {source}")
    dotted = "" if least is None else " (dotted: least reachable)"
    right.set_title(f"at the end, step {losses.table['step'].max():,}{dotted}")
    right.set_ylabel("")
    bar = figure.colorbar(colours, ax=[left, right], pad=0.015, aspect=30, format=PLAIN)
    bar.set_label(_LEVEL_LABEL)
    bar.outline.set_visible(False)
    return figure


def _draw_levels(
    axes: Axes, table: pd.DataFrame, levels: pd.Series, colours: ScalarMappable
) -> int:
    """A line for each level, or for MAX_LINES evenly spaced ones; returns how many."""
    places = np.linspace(0, len(levels) - 1, min(len(levels), MAX_LINES)).astype(int)
    for level in levels[places]:
        rows = table[table["level"] == level]
        colour = colours.to_rgba(rows["sigma"].iloc[0])
        axes.plot(
            rows["step"], rows["loss"], color=colour, lw=1.4, marker=_marker(len(rows)), ms=3
        )
    return len(places)


_LEVEL_LABEL = "noise level σ (pixel values in [0, 1])"


def _level_colours(sigmas: np.ndarray) -> ScalarMappable:
    """Viridis without its palest tenth, which white paper swallows."""
    colours = ListedColormap(colormaps["viridis"](np.linspace(0, 0.9, 256)))
    low, high = sigmas.min(), sigmas.max()
    margin = 1.0 if high > low else 2.0
    return ScalarMappable(LogNorm(low / margin, high * margin), colours)


def _level_axis(axes: Axes) -> None:
    axes.set_xlabel(_LEVEL_LABEL)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(PLAIN)
    axes.xaxis.set_minor_formatter("")


def _loss_axis(axes: Axes, values: np.ndarray) -> None:
    axes.set_ylabel("loss per image (sum over pixels)")
    low, high = np.nanmin(values), np.nanmax(values)
    if low > 0 and high > LOG_FROM_RATIO * low:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(PLAIN)
    elif low > 0:
        axes.set_ylim(0, 1.08 * axes.dataLim.y1)


def _step_axis(axes: Axes) -> None:
    axes.set_xlabel("training step")
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    if axes.dataLim.x1 >= 10_000:
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _zero_score(axes: Axes, loss: float | None, label: str | None) -> None:
    if loss is not None:
        axes.axhline(loss, color=FAINT, lw=1, ls=(0, (4, 3)), zorder=1)
    if loss is not None and label is not None:
        _label_line(axes, loss, f"{label}: {loss:,g}", FAINT)


def _label_line(axes: Axes, loss: float, text: str, colour: str) -> None:
    """Writes above the right end of a level line."""
    axes.annotate(
        text,
        (1, loss),
        xycoords=("axes fraction", "data"),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right",
        color=colour,
    )


def _least(axes: Axes, least: pd.DataFrame | None) -> None:
    """Dotted line with bars of one standard error.

    It tends to zero where the noise is too small to mix up two training images, so it must not
    stretch an axis, least of all one on a log scale.
    """
    if least is None:
        return
    limits = axes.get_ylim()
    axes.errorbar(
        least["sigma"],
        least["loss"],
        yerr=least["standard_error"],
        color=INK,
        lw=1.2,
        ls=":",
        marker="_",
        ms=5,
        elinewidth=1,
    )
    axes.set_ylim(limits)


def _marker(num_points: int) -> str | None:
    return "o" if num_points <= 12 else None

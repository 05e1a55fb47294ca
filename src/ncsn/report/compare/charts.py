"""Pictures of a comparison: samples by position, training curves over one another."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from ncsn.base.chart_style import DPI, in_house_style
from ncsn.base.run_record import CURVES, RunRecord
from ncsn.report.compare.tables import letters
from ncsn.report.grids import GAP_PX, LABEL, transparent_grid

NUM_POSITIONS = 16  # samples of each run
_CELL_PX, _LEFT_PX = 56, 34
_LOG_FROM_RATIO = 20
Line = tuple[tuple[int, float], ...]  # a curve as a key
_TITLES = {"train/loss": "training, as logged", "val/loss": "held-out images"}


@in_house_style
def plot_samples(runs: Sequence[RunRecord]) -> Figure:
    """One row for each run that has samples, of which there is one; a column for each position."""
    shown = [(name, run.samples) for name, run in zip(letters(len(runs)), runs, strict=True)]
    rows = [(name, images) for name, images in shown if images is not None and len(images)]
    strips = [_strip(images[:NUM_POSITIONS]) for _, images in rows]
    width = max(strip.shape[1] for strip in strips)
    height = sum(strip.shape[0] for strip in strips) + GAP_PX * (len(strips) - 1)
    canvas = np.zeros((height, width, 4), dtype=np.uint8)
    figure = Figure(figsize=((width + _LEFT_PX) / DPI, height / DPI), facecolor="none")
    figure.set_layout_engine("none")
    top = 0
    for (name, _), strip in zip(rows, strips, strict=True):
        canvas[top : top + strip.shape[0], : strip.shape[1]] = strip
        middle = 1 - (top + strip.shape[0] / 2) / height
        x = _LEFT_PX / 2 / (width + _LEFT_PX)
        figure.text(x, middle, name, ha="center", va="center", color=LABEL, weight="bold")
        top += strip.shape[0] + GAP_PX
    figure.figimage(canvas, xo=_LEFT_PX, yo=0, origin="upper")
    return figure


@in_house_style
def plot_curves(runs: Sequence[RunRecord]) -> Figure:
    """Loss against step, a panel for each kind of loss."""
    figure = Figure(figsize=(9, 3.4))
    panels = figure.subplots(1, len(CURVES))
    colours = colormaps["viridis"](np.linspace(0, 0.88, len(runs)))
    for axes, key in zip(panels, CURVES, strict=True):
        lowest, highest = np.inf, -np.inf
        for colour, (curve, names) in zip(colours, _by_curve(runs, key).items(), strict=False):
            if len(points := np.array(curve, float).reshape(-1, 2)) > 1:
                axes.plot(*points.T, color=colour, lw=1.4, label=", ".join(names))
                lowest, highest = min(lowest, points[:, 1].min()), max(highest, points[:, 1].max())
        if lowest > 0 and highest > _LOG_FROM_RATIO * lowest:
            axes.set_yscale("log")
        axes.set_title(_TITLES[key])
        axes.set_xlabel("training step")
        if np.isfinite(lowest):
            axes.legend(fontsize=8)
    panels[0].set_ylabel("loss per image (sum over pixels)")
    return figure


def _by_curve(runs: Sequence[RunRecord], key: str) -> dict[Line, list[str]]:
    """Names of the runs by their curve: those that share a training share a line."""
    found: dict[Line, list[str]] = {}
    for name, run in zip(letters(len(runs)), runs, strict=True):
        curve = tuple((step, value) for step, value in run.curves.get(key, ()))
        found.setdefault(curve, []).append(name)
    return found


def has_samples(runs: Sequence[RunRecord]) -> bool:
    """Whether any run has samples."""
    return any(run.samples is not None and len(run.samples) for run in runs)


def has_curves(runs: Sequence[RunRecord]) -> bool:
    """Whether two runs have a curve: one alone is compared with nothing."""
    return sum(any(len(run.curves.get(key, ())) > 1 for key in CURVES) for run in runs) > 1


def _strip(images: np.ndarray) -> np.ndarray:
    """A row of images, enlarged by a whole number, or thinned where they are too large."""
    step = max(1, images.shape[2] // (2 * _CELL_PX))
    small = images[:, ::step, ::step]
    return transparent_grid(small, len(small), max(1, _CELL_PX // small.shape[2]))

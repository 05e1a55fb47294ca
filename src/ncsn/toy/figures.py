"""Figures of the toy studies: each `plot_` function returns a Figure and saves nothing."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter
from torch import Tensor

from ncsn.base.chart_style import (
    ACCENT,
    GRID_COLOUR,
    GRID_WIDTH,
    INK,
    LINE,
    PLAIN,
    RAW,
    house_style,
    png_bytes,
)
from ncsn.toy.density import DensityStudy
from ncsn.toy.energy_figure import plot_energy
from ncsn.toy.manifold import ManifoldStudy
from ncsn.toy.mixing import MixingStudy
from ncsn.toy.objectives_figure import plot_objectives
from ncsn.toy.panels import EXTENT, arrows, as_image, scatter, square
from ncsn.toy.scales_figure import plot_scales
from ncsn.toy.study import ToyStudy

LABELS = {
    "iid": "drawn from the density",
    "langevin": "Langevin, exact score",
    "annealed": "annealed Langevin, exact score",
    "direct": "network outputs the score",
    "energy": "network outputs an energy",
}
_CIRCLE = 1e-3  # density at the circles on the maps of the error
_WINDOW = 25  # steps of a running mean


def write_figures(study: ToyStudy, folder: Path) -> list[Path]:
    """Saves every figure as PNG into an existing folder and returns the paths."""
    paths = []
    with house_style(grid=False):
        for name, figure in (
            ("manifold", plot_manifold(study.manifold)),
            ("density", plot_density(study.density)),
            ("energy", plot_energy(study.energy, study.density)),
            ("objectives", plot_objectives(study.objectives)),
            ("mixing", plot_mixing(study.mixing)),
            ("scales", plot_scales(study.scales)),
        ):
            paths.append(folder / f"{name}.png")
            paths[-1].write_bytes(png_bytes(figure))
    return paths


def plot_manifold(study: ManifoldStudy) -> Figure:
    """Sliced score matching loss against step on a segment, without and with noise (Fig. 1)."""
    figure = Figure(figsize=(8, 2.9))
    bare, noised = figure.subplots(1, 2)
    for axes, losses in ((bare, study.bare), (noised, study.noised)):
        steps = np.arange(1, len(losses) + 1)
        axes.plot(steps, losses, color=RAW, lw=0.8, label="each step")
        mean = running_mean(losses, _WINDOW)
        axes.plot(steps[len(steps) - len(mean) :], mean, color=LINE, lw=1.6,
                  label=f"mean of {len(losses) - len(mean) + 1} steps")  # fmt: skip
        axes.set_xlabel("training step")
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    noised.axhline(study.least, color=ACCENT, lw=1.2, label="least possible")
    bare.set(title="A segment in the plane: no minimum", ylabel="sliced score matching loss")
    noised.set_title(f"The same with noise N(0, {study.sigma**2:g}): a minimum")
    noised.legend(loc="upper right")
    return figure


def plot_density(study: DensityStudy) -> Figure:
    """True and learned scores over the density, their error against it, and training (Fig. 2)."""
    figure = Figure(figsize=(10.4, 6.6))
    rows = figure.subplots(2, 3)
    truth, errors = rows[:, 0], rows[:, 1:]
    _field(truth[0], study, study.score, "True score over the density")
    for axes, (name, learned) in zip(rows[0, 1:], study.learned.items(), strict=True):
        _field(axes, study, learned.score, f"Learned: {LABELS[name]}")
    for axes, learned in zip(errors[1], study.learned.values(), strict=True):
        image = axes.imshow(
            as_image(learned.error), extent=EXTENT, origin="lower", cmap="magma_r",
            norm=LogNorm(0.01, 10),
        )  # fmt: skip
        axes.contour(as_image(study.density), [_CIRCLE], extent=EXTENT, colors=INK, linewidths=0.8)
        axes.set_title(f"Its error (circles: density {_CIRCLE:g})")
        square(axes)
    figure.colorbar(image, ax=errors[1].tolist(), label="length of the error", format=PLAIN)
    _error_against_density(truth[1], study)
    return figure


def plot_mixing(study: MixingStudy) -> Figure:
    """Samples of the three samplers and the share of the upper mode over seeds (Fig. 3)."""
    figure = Figure(figsize=(10.4, 2.9))
    *squares, shares = figure.subplots(1, 4)
    for axes, (name, samples) in zip(squares, study.samples.items(), strict=True):
        scatter(axes, samples, LABELS[name])
    for place, values in enumerate(study.shares.values()):
        jitter = np.linspace(-0.12, 0.12, len(values)) if len(values) > 1 else np.zeros(1)
        shares.plot(place + jitter, values, "o", ms=3, color=LINE, alpha=0.7)
        shares.annotate(f"{float(values.mean()):.3f}", (place, float(values.max())),
                        (0, 5), textcoords="offset points", ha="center")  # fmt: skip
    shares.axhline(study.truth, color=ACCENT, lw=1.2, zorder=0)
    shares.set_title(f"Share near (5, 5), {len(values)} seeds")
    shares.annotate(f"true: {study.truth:g}", (1, study.truth), (0, 4),
                    textcoords="offset points", ha="center", color=ACCENT)  # fmt: skip
    shares.set(ylim=(0.4, 0.9), xlim=(-0.6, 2.6))
    shares.set_xticks(range(3), ["density", "Langevin", "annealed"])
    return figure


def running_mean(values: Tensor, window: int) -> Tensor:
    """Means of `window` successive values, or one of all values when there are fewer."""
    return values.unfold(0, min(window, len(values)), 1).mean(1)


def _error_against_density(axes: Axes, study: DensityStudy) -> None:
    """Median error of grid points between successive powers of ten of the density."""
    decades = study.density.log10().floor().clamp_min(-12)
    places = sorted(set(decades.tolist()))
    for (name, learned), colour in zip(study.learned.items(), (LINE, ACCENT), strict=True):
        medians = [float(learned.error[decades == place].median()) for place in places]
        label = f"{name}: Fisher divergence {float(learned.fisher[-1]):.3f}"
        axes.plot(
            [10 ** (p + 0.5) for p in places], medians, "o-", color=colour, ms=4, label=label
        )
    axes.set(xscale="log", yscale="log", title="Wrong where data are thin")
    axes.set(xlabel="true density", ylabel="median length of the error")
    axes.yaxis.set_major_formatter(PLAIN)
    axes.grid(color=GRID_COLOUR, lw=GRID_WIDTH)
    axes.legend(loc="lower left", fontsize=7.5)


def _field(axes: Axes, study: DensityStudy, score: Tensor, title: str) -> None:
    axes.imshow(as_image(study.density), extent=EXTENT, origin="lower", cmap="Blues")
    arrows(axes, study.grid, score)
    axes.set_title(title)
    square(axes)

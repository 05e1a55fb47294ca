"""The figure of the noise levels: what too small and too large noise do, network by network."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from torch import Tensor

from ncsn.base.chart_style import ACCENT, FAINT, GRID_COLOUR, GRID_WIDTH, LINE, PLAIN
from ncsn.toy.panels import scatter
from ncsn.toy.scales import ScalesStudy

_LINEAR = 0.01  # below it the axis is linear: distances have no bias, so that some are negative


def plot_scales(study: ScalesStudy) -> Figure:
    """Errors and sample quality of one noise level against sigma, and of all levels together."""
    figure = Figure(figsize=(10.4, 5.9))
    grid = figure.add_gridspec(2, 1, height_ratios=(1.15, 1))
    top = grid[0].subgridspec(1, 2)
    _pitfalls(figure.add_subplot(top[0]), study)
    _quality(figure.add_subplot(top[1]), study)
    num_levels, best = len(study.sigmas), int(study.exact.distance[:-1].mean(1).argmin())
    shown = [*sorted({0, best, num_levels // 2, num_levels - 1}), -1]
    bottom = grid[1].subgridspec(1, len(shown))
    for place, level in enumerate(shown):
        title = "all levels" if level < 0 else f"sigma {float(study.sigmas[level]):.2g} alone"
        share = float(study.learned.share[level, 0])
        axes = figure.add_subplot(bottom[place])
        scatter(axes, study.learned.samples[level], f"{title}: {share:.0%} above", size=3.5)
    return figure


def _pitfalls(axes: Axes, study: ScalesStudy) -> None:
    sigmas, gap = study.sigmas, study.gap
    label = f"learned against smoothed, in the gap: {gap.shape[1]} networks, median"
    axes.plot(sigmas, gap, "o", ms=4, color=LINE, alpha=0.6, mec="none")
    axes.plot(sigmas, gap.quantile(0.5, 1), color=LINE, lw=1.3, label=label)
    axes.plot(sigmas, study.corruption, "s-", color=ACCENT, ms=4, lw=1.3,
              label="smoothed against clean, on the data")  # fmt: skip
    axes.set(title="Small noise leaves the gap unlearned, large noise corrupts", yscale="log")
    axes.set_ylabel("Fisher divergence")
    axes.legend(loc="lower center", fontsize=7.5)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(PLAIN)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("sigma of the added noise (modes have std 1, 14 apart)")
    axes.grid(color=GRID_COLOUR, lw=GRID_WIDTH)


def _quality(axes: Axes, study: ScalesStudy) -> None:
    order = [*range(len(study.sigmas) - 1, -1, -1), len(study.sigmas)]  # small to large, then all
    for quality, shift, marker, colour, label in (
        (study.learned, -0.12, "o", LINE, "learned scores, one network a point"),
        (study.exact, 0.12, "s", FAINT, "exact scores, one draw a point"),
    ):
        _spread(axes, quality.distance[order], shift, marker, colour, label)
    axes.axvline(len(order) - 1.5, color=FAINT, lw=0.8, ls=":")
    axes.set(title="Samples of chains that start in the smaller mode")
    axes.set_yscale("symlog", linthresh=_LINEAR)
    axes.set_ylabel("energy distance to the data")
    names = [f"{float(sigma):.2g}" for sigma in study.sigmas.flip(0)]
    axes.set_xticks(range(len(order)), [*names, "all levels"])
    axes.set_xlabel("sigma of the added noise; bars from least to largest, dash: median")
    axes.grid(axis="y", color=GRID_COLOUR, lw=GRID_WIDTH)
    axes.set_ylim(-0.03, 40)
    axes.legend(loc="center", bbox_to_anchor=(0.4, 0.3), fontsize=7.5)


def _spread(
    axes: Axes, values: Tensor, shift: float, marker: str, colour: str, label: str
) -> None:
    """Every value of each row (K, R), the bar from least to largest and a dash at the median."""
    for place, row in enumerate(values):
        at = place + shift
        axes.plot([at] * len(row), row, marker, ms=4, color=colour, alpha=0.6, mec="none",
                  label=label if place == 0 else None)  # fmt: skip
        axes.plot([at, at], [float(row.min()), float(row.max())], color=colour, lw=1.0)
        axes.plot(at, float(row.quantile(0.5)), "_", ms=11, mew=1.6, color=colour)

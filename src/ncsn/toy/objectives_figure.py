"""The figure of what each objective costs against the dimension."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, NullFormatter
from torch import Tensor

from ncsn.base.chart_style import ACCENT, FAINT, GRID_COLOUR, GRID_WIDTH, INK, LINE, PLAIN, RAW
from ncsn.toy.objectives import OBJECTIVES, ObjectivesStudy

_LOOKS = dict(
    zip(
        OBJECTIVES,
        ((ACCENT, "o-"), (FAINT, "^-"), (INK, "v--"), (LINE, "s-"), (RAW, "D--")),
        strict=True,
    )
)


def plot_objectives(study: ObjectivesStudy) -> Figure:
    """Work of one point, points that a gradient needs, and the product, against the dimension."""
    figure = Figure(figsize=(10.4, 3.6))
    work, noise, both = figure.subplots(1, 3)
    dims = study.dims
    draw_costs(work, dims, study.flops, "Work: the exact trace takes D passes", "FLOPs per point")
    work.yaxis.set_major_formatter(EngFormatter(sep=""))
    draw_costs(noise, dims, study.points, "Noise: points that average it away",
               "points for a signal-to-noise ratio of 1")  # fmt: skip
    total = {name: study.flops[name] * study.points[name].clamp_min(1) for name in OBJECTIVES}
    draw_costs(
        both,
        dims,
        total,
        "Both: the work of a usable gradient",
        "FLOPs for a signal-to-noise ratio of 1",
    )
    both.yaxis.set_major_formatter(EngFormatter(sep=""))
    figure.legend(*work.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


def draw_costs(
    axes: Axes, dims: Tensor, costs: Mapping[str, Tensor], title: str, label: str
) -> None:
    """Draws a cost (K,) of each objective against the dimension, both axes logarithmic."""
    for name, values in costs.items():
        colour, line = _LOOKS[name]
        axes.plot(dims, values, line, ms=4, lw=1.3, color=colour, label=OBJECTIVES[name].label)
    axes.set(title=title, xscale="log", yscale="log", xlabel="dimension D", ylabel=label)
    axes.set_xticks(dims.tolist())
    axes.xaxis.set_major_formatter(PLAIN)
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.grid(color=GRID_COLOUR, lw=GRID_WIDTH)

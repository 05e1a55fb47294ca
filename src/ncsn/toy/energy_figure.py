"""The figure of the constant in the energy: scores do not see it, a density without Z does."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ncsn.base.chart_style import ACCENT, FAINT, GRID_COLOUR, GRID_WIDTH, LINE
from ncsn.toy.density import DensityStudy
from ncsn.toy.energy import CONSTANT, EnergyStudy
from ncsn.toy.panels import EXTENT, arrows, as_image, square

_NAMES = ("f", f"f + {CONSTANT:g}")
_LOW, _HIGH = -2, 20  # of the energies drawn, above the least


def plot_energy(study: EnergyStudy, density: DensityStudy) -> Figure:
    """Maps of f, of f plus a constant and of the densities; below, both along the diagonal."""
    figure = Figure(figsize=(10.4, 5.7))
    maps, lines = figure.subplots(2, 4, height_ratios=(1.15, 1))
    _energies(maps[:2], study, density)
    plain = study.energies[0]
    learned = (-plain.grid - plain.log_z).exp()
    top = float(density.density.max())
    share = f"{study.upper_share:.0%} above"
    for axes, values, title in (
        (maps[2], learned, f"exp(-f) / Z: {share}"),
        (maps[3], density.density, "True density: 80% above"),
    ):
        axes.imshow(as_image(values), extent=EXTENT, origin="lower", cmap="Blues", vmax=top)
        axes.set_title(title)
        square(axes)
    _along(lines, study)
    return figure


def _energies(pair: list[Axes], study: EnergyStudy, density: DensityStudy) -> None:
    """Both energies in one scale of colours, with their scores as arrows."""
    least = float(study.energies[0].grid.min())
    for axes, energy, name in zip(pair, study.energies, _NAMES, strict=True):
        image = as_image(energy.grid - least)
        axes.imshow(image, extent=EXTENT, origin="lower", cmap="Blues_r", vmin=0, vmax=_HIGH)
        arrows(axes, density.grid, energy.score)
        axes.set_title(f"{name} (dark: low) and its score")
        square(axes)


def _along(rows: list[Axes], study: EnergyStudy) -> None:
    least = float(study.energies[0].along.min())
    _pair(rows[0], study, [e.along - least for e in study.energies], "Energy on the diagonal")
    _pair(rows[1], study, [e.slope for e in study.energies], "Score on it: the same")
    _pair(rows[2], study, [(least - e.along).exp() for e in study.energies],
          "Without Z, exp(-energy) differs")  # fmt: skip
    _pair(rows[3], study, [(-e.along - e.log_z).exp() for e in study.energies],
          "With Z of the grid: the same")  # fmt: skip
    rows[3].plot(study.distance, study.along.exp(), color=FAINT, lw=1.2, zorder=0)
    rows[0].set_ylim(_LOW, _HIGH)
    _mean_log(rows[2], [least + e.unnormalised for e in study.energies])
    with_z = [e.unnormalised - e.log_z for e in study.energies]
    _mean_log(rows[3], [*with_z, study.log_likelihood])
    rows[0].legend(loc="lower center")


def _pair(axes: Axes, study: EnergyStudy, values: list[Tensor], title: str) -> None:
    looks = ((LINE, "-", 2.0), (ACCENT, "--", 1.3))
    for value, name, (colour, line, width) in zip(values, _NAMES, looks, strict=True):
        axes.plot(study.distance, value, line, color=colour, lw=width, label=name)
    axes.set_title(title)
    axes.set_xlabel("place on the diagonal")
    axes.grid(color=GRID_COLOUR, lw=GRID_WIDTH)


def _mean_log(axes: Axes, means: list[float]) -> None:
    """Writes the mean log, over data, of each density drawn; the third is the truth."""
    names, colours = (*_NAMES, "truth"), (LINE, ACCENT, FAINT)
    for place, mean in enumerate(means):
        axes.annotate(f"mean log, {names[place]}: {mean:.3f}", (0.03, 0.9 - 0.1 * place),
                      xycoords="axes fraction", color=colours[place], fontsize=7.5)  # fmt: skip

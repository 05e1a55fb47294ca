"""How all charts look: colours, type, lines. The only place that knows matplotlib's settings.

Figures are made without pyplot and under this style alone, so the same data give the same bytes
whatever matplotlibrc a person has.
"""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import ParamSpec

import matplotlib.style
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

P = ParamSpec("P")

INK, FAINT, RAW, LINE, ACCENT = "#30363d", "#8b949e", "#b6c7dd", "#1f5f9e", "#d1622b"
GRID_COLOUR, GRID_WIDTH = "#e6e8eb", 0.7
DPI = 128  # a power of two: sizes in pixels stay whole numbers
PLAIN = StrMethodFormatter("{x:g}")  # 0.01, not 1e-02
_STYLE = {
    "figure.dpi": DPI,
    "savefig.dpi": "figure",
    "figure.constrained_layout.use": True,
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
}
_GRID = {
    "axes.grid": True,
    "grid.color": GRID_COLOUR,
    "grid.linewidth": GRID_WIDTH,
    "axes.axisbelow": True,
}


def house_style(*, grid: bool = True) -> AbstractContextManager[None]:
    """Returns a block under matplotlib's defaults and this style, not under the user's settings.

    Args:
        grid: whether axes that are made in the block have grid lines.
    """
    settings: list[str | dict[str, object]] = ["default", {**_STYLE, **(_GRID if grid else {})}]
    style: AbstractContextManager[None] = matplotlib.style.context(settings)
    return style


def in_house_style(plot: Callable[P, Figure]) -> Callable[P, Figure]:
    """Runs `plot` under the house style, with grid lines."""

    @wraps(plot)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with house_style():
            return plot(*args, **kwargs)

    return styled


def png_bytes(figure: Figure) -> bytes:
    """Returns the figure as PNG without the metadata that would name a version of matplotlib."""
    buffer = io.BytesIO()
    with house_style():
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()

"""What several figures of the toy studies share: squares of the plane, arrows, maps."""

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from ncsn.base.chart_style import INK, LINE
from ncsn.toy.density import GRID, HALF_WIDTH

EXTENT = (-HALF_WIDTH, HALF_WIDTH, -HALF_WIDTH, HALF_WIDTH)
_ARROW_EVERY = 5  # of the grid: 20 x 20 arrows


def arrows(axes: Axes, grid: Tensor, field: Tensor) -> None:
    """Draws a field on the grid, shape (GRID * GRID, 2), as arrows at every fifth point."""
    picked = torch.arange(_ARROW_EVERY // 2, GRID, _ARROW_EVERY)
    at, values = (
        whole.view(GRID, GRID, 2)[picked][:, picked].reshape(-1, 2).T.numpy()
        for whole in (grid, field)
    )
    axes.quiver(*at, *values, color=INK, scale=160, width=0.004)


def scatter(axes: Axes, samples: Tensor, title: str, size: float = 2.5) -> None:
    """Draws points (N, 2) in the square."""
    axes.plot(*samples.T.numpy(), ".", ms=size, color=LINE, alpha=0.5, mec="none")
    axes.set_title(title)
    square(axes)


def square(axes: Axes) -> None:
    """Makes the axes the square of the studies."""
    axes.set(xlim=EXTENT[:2], ylim=EXTENT[2:], aspect="equal")
    axes.set_xticks([-5, 0, 5])
    axes.set_yticks([-5, 0, 5])


def as_image(values: Tensor) -> np.ndarray:
    """Grid values as rows of x_2 and columns of x_1, for imshow with origin below."""
    return values.view(GRID, GRID).T.numpy()

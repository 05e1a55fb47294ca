"""Pictures of images: uncurated grids, nearest neighbours, states along the annealing.

Pixels are shown as they are: whole-number magnification by repetition, no smoothing, no
stretching of contrast.
"""

import numpy as np
from matplotlib.figure import Figure

from ncsn.report.figures import STYLE, in_house_style

GAP_PX = 2
PANEL_PX = 580  # two panels stand side by side on the page
CELL_PX = 84
NEIGHBOUR_GAP_PX = 14  # between a sample and its neighbours
MAX_STATES = 13
HEADER_PX, LEFT_PX = 26, 30
LABEL = "#7d8590"  # readable on white and on black
DPI = int(str(STYLE["figure.dpi"]))


def tiled(images: np.ndarray, num_columns: int, scale: int, gap: int = GAP_PX) -> np.ndarray:
    """Lays images out row by row, each pixel repeated `scale` times along both axes.

    Args:
        images: uint8, shape (N, H, W, C), C is 1 or 3.
        num_columns: images a row; the last row may be short.
        scale: magnification, a whole number.
        gap: pixels between images.

    Returns:
        One picture, uint8, shape (height, width, 4), transparent between images, no border.
    """
    count, height, width, _ = images.shape
    height, width = height * scale, width * scale
    num_rows = -(-count // num_columns)
    shape = (num_rows * (height + gap) - gap, num_columns * (width + gap) - gap, 4)
    canvas = np.zeros(shape, dtype=np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, num_columns)
        top, left = row * (height + gap), column * (width + gap)
        large = image.repeat(scale, axis=0).repeat(scale, axis=1)
        cell = canvas[top : top + height, left : left + width]
        cell[..., :3], cell[..., 3] = large, 255  # one grey channel spreads over three
    return canvas


@in_house_style
def plot_images(images: np.ndarray) -> Figure:
    """A near-square grid of all `images`, uint8, shape (N, H, W, C), in their order."""
    num_columns = int(np.ceil(np.sqrt(len(images))))
    scale = max(1, round(PANEL_PX / (num_columns * images.shape[2])))
    return _picture(tiled(images, num_columns, scale), 0, 0)


@in_house_style
def plot_neighbours(samples: np.ndarray, neighbours: np.ndarray) -> Figure:
    """One row a sample: itself, a gap, then its neighbours (Song & Ermon 2019, Fig. 9).

    Args:
        samples: uint8, shape (N, H, W, C).
        neighbours: uint8, shape (N, K, H, W, C).
    """
    scale = max(1, CELL_PX // samples.shape[2])
    left = tiled(samples, 1, scale)
    right = tiled(neighbours.reshape(-1, *samples.shape[1:]), neighbours.shape[1], scale)
    gap = np.zeros((len(left), NEIGHBOUR_GAP_PX, 4), dtype=np.uint8)
    return _picture(np.concatenate([left, gap, right], axis=1), 0, 0)


@in_house_style
def plot_annealing(states: np.ndarray, sigmas: np.ndarray) -> Figure:
    """Samples on their way through the noise levels (Song & Ermon 2019, Fig. 4).

    One row an image, one column a state, its sigma above. Of more than MAX_STATES states the start
    and evenly spaced others are shown, the first level and the end among them.

    Args:
        states: uint8, shape (K, N, H, W, C).
        sigmas: level after which each state was taken, shape (K,); 0 in the first row is the
            start, 0 later a state after denoising.
    """
    others = np.linspace(1, len(states) - 1, min(len(states), MAX_STATES) - 1).round().astype(int)
    shown = [0, *others]
    scale = max(1, CELL_PX // states.shape[3])
    by_row = states[shown].swapaxes(0, 1)  # (N, K, H, W, C)
    canvas = tiled(by_row.reshape(-1, *states.shape[2:]), len(shown), scale)
    figure = _picture(canvas, HEADER_PX, LEFT_PX)
    width, height = figure.get_size_inches() * DPI
    cell = states.shape[3] * scale
    y = 1 - HEADER_PX / 2 / height
    figure.text(LEFT_PX / 2 / width, y, "σ", ha="center", va="center", color=LABEL)
    for column, index in enumerate(shown):
        x = LEFT_PX + column * (cell + GAP_PX) + cell / 2
        label = _state_label(index, sigmas[index])
        figure.text(x / width, y, label, ha="center", va="center", fontsize=8, color=LABEL)
    return figure


def _state_label(index: int, sigma: float) -> str:
    if sigma > 0:
        return f"{sigma:.3g}"
    return "start" if index == 0 else "denoised"


def _picture(canvas: np.ndarray, top: int, left: int) -> Figure:
    """A figure that shows `canvas` pixel for pixel, with transparent margins in pixels."""
    height, width = canvas.shape[:2]
    figure = Figure(figsize=((width + left) / DPI, (height + top) / DPI), facecolor="none")
    figure.set_layout_engine("none")
    figure.figimage(canvas, xo=left, yo=0, origin="upper")
    return figure

"""Pictures of images: uncurated grids, nearest neighbours, completions, states of the annealing.

Pixels are shown as they are: whole-number magnification by repetition, no smoothing, no
stretching of contrast.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ncsn.base.chart_style import DPI, in_house_style
from ncsn.base.image_grid import image_grid

GAP_PX = 2
PANEL_PX = 580  # two panels stand side by side on the page
CELL_PX = 84
NARROW_CELL_PX = 75  # of pictures that stand side by side
GROUP_GAP_PX = 14  # between an image and those that belong to it
MAX_STATES = 13
HEADER_PX, LEFT_PX = 26, 30
NAMED_STATES = ("start", "denoised")
LABEL = "#7d8590"  # readable on white and on black
HIDDEN = (125, 133, 144)  # the same, as bytes: pixels that are to be filled in


def transparent_grid(images: np.ndarray, num_columns: int, scale: int) -> np.ndarray:
    """Returns `image_grid` with nothing between the images.

    Args:
        images: uint8, shape (N, H, W, C), C is 1 or 3.
        num_columns: images per row.
        scale: magnification, a whole number.

    Returns:
        One picture, uint8, shape (height, width, 4), transparent between images.
    """
    opaque = np.full((*images.shape[:3], 4), 255, dtype=np.uint8)
    opaque[..., :3] = images  # one grey channel spreads over three
    return image_grid(opaque, num_columns, scale, gap=GAP_PX, empty=0)


@in_house_style
def plot_images(images: np.ndarray) -> Figure:
    """A near-square grid of all `images`, uint8, shape (N, H, W, C), in their order."""
    num_columns = int(np.ceil(np.sqrt(len(images))))
    scale = max(1, round(PANEL_PX / (num_columns * images.shape[2])))
    return _picture(transparent_grid(images, num_columns, scale), 0, 0)


@in_house_style
def plot_neighbours(samples: np.ndarray, neighbours: np.ndarray) -> Figure:
    """One row per sample: itself, a gap, then its neighbours (Song & Ermon 2019, Fig. 9).

    Args:
        samples: uint8, shape (N, H, W, C).
        neighbours: uint8, shape (N, K, H, W, C).
    """
    return _picture(_in_groups([samples[:, None], neighbours]), 0, 0)


@in_house_style
def plot_inpainting(originals: np.ndarray, known: np.ndarray, completions: np.ndarray) -> Figure:
    """One row per image: itself, what was given of it, a gap, completions (Fig. 6).

    Args:
        originals: uint8, shape (N, H, W, C).
        known: True where a pixel was given, bool, shape (H, W); the others are drawn grey.
        completions: uint8, shape (N, K, H, W, C).
    """
    colours = np.broadcast_to(originals, (*originals.shape[:3], 3))
    given = np.where(known[..., None], colours, np.array(HIDDEN, dtype=np.uint8))
    filled = np.broadcast_to(completions, (*completions.shape[:4], 3))
    return _picture(_in_groups([np.stack([colours, given], axis=1), filled]), 0, 0)


@in_house_style
def plot_annealing(states: np.ndarray, sigmas: np.ndarray) -> Figure:
    """Samples on their way through the noise levels (Song & Ermon 2019, Fig. 4).

    One row per image, one column per state, its sigma above. Of more than MAX_STATES states the
    start is shown and evenly spaced others, among them the first level and the end.

    Args:
        states: uint8, shape (K, N, H, W, C).
        sigmas: level after which each state was taken, shape (K,); 0 in the first row is the
            start, 0 later a state after denoising.
    """
    others = np.linspace(1, len(states) - 1, min(len(states), MAX_STATES) - 1).round().astype(int)
    shown = [0, *others]
    scale = max(1, CELL_PX // states.shape[3])
    by_row = states[shown].swapaxes(0, 1)  # (N, K, H, W, C)
    canvas = transparent_grid(by_row.reshape(-1, *states.shape[2:]), len(shown), scale)
    figure = _picture(canvas, HEADER_PX, LEFT_PX)
    width, height = figure.get_size_inches() * DPI
    cell = states.shape[3] * scale
    y = 1 - HEADER_PX / 2 / height
    figure.text(LEFT_PX / 2 / width, y, "σ", ha="center", va="center", color=LABEL)
    for column, index in enumerate(shown):
        x = LEFT_PX + column * (cell + GAP_PX) + cell / 2
        label = state_label(index, sigmas[index])
        figure.text(x / width, y, label, ha="center", va="center", fontsize=8, color=LABEL)
    return figure


def _in_groups(groups: Sequence[np.ndarray]) -> np.ndarray:
    """Lays groups of images, each (N, K, H, W, C), out side by side, a row for each of N."""
    scale = max(1, NARROW_CELL_PX // groups[0].shape[3])
    parts = [transparent_grid(g.reshape(-1, *g.shape[2:]), g.shape[1], scale) for g in groups]
    gap = np.zeros((len(parts[0]), GROUP_GAP_PX, 4), dtype=np.uint8)
    between = [part for canvas in parts for part in (gap, canvas)][1:]
    return np.concatenate(between, axis=1)


def state_label(index: int, sigma: float) -> str:
    """Returns the sigma of a state, or the name of one that has none."""
    if sigma > 0:
        return f"{sigma:.3g}"
    return NAMED_STATES[0] if index == 0 else NAMED_STATES[1]


def _picture(canvas: np.ndarray, top: int, left: int) -> Figure:
    """A figure that shows `canvas` pixel for pixel, with transparent margins in pixels."""
    height, width = canvas.shape[:2]
    figure = Figure(figsize=((width + left) / DPI, (height + top) / DPI), facecolor="none")
    figure.set_layout_engine("none")
    figure.figimage(canvas, xo=left, yo=0, origin="upper")
    return figure

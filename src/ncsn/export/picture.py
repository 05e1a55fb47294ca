"""Images as one picture that can be looked at."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from ncsn.base.files import whole_file, write_npz
from ncsn.base.image_grid import image_grid

KINDS = (".png", ".npz")  # endings of what `write_images` writes
_WIDTH_PX = 640
_GAP_PX = 2


def square_grid(images: np.ndarray) -> np.ndarray:
    """Returns a near-square grid of all images, each pixel repeated a whole number of times.

    Args:
        images: uint8, shape (N, H, W, C), C is 1 or 3.

    Returns:
        uint8, shape (height, width, 3), white between images.
    """
    num_columns = math.ceil(math.sqrt(len(images)))
    colours = np.broadcast_to(images, (*images.shape[:3], 3))  # grey spreads over the channels
    scale = max(1, _WIDTH_PX // (num_columns * images.shape[2]))
    return image_grid(colours, num_columns, scale, gap=_GAP_PX)


def write_images(path: str | Path, images: np.ndarray) -> None:
    """Writes images as one picture (.png), or as the array `arr_0` (.npz), whole or not at all.

    Args:
        path: of the file; its ending says which.
        images: uint8, shape (N, H, W, C).
    """
    if Path(path).suffix == ".npz":
        write_npz(path, arr_0=images)
        return
    with whole_file(path) as partial:
        Image.fromarray(square_grid(images)).save(partial)

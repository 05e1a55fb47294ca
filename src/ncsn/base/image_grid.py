"""Many images as one picture: rows and columns, each pixel enlarged by a whole number."""

import numpy as np


def image_grid(
    images: np.ndarray, num_columns: int, scale: int = 1, *, gap: int = 0, empty: int = 255
) -> np.ndarray:
    """Lays images out row by row, each pixel repeated `scale` times along both axes.

    Args:
        images: uint8, shape (N, H, W, C).
        num_columns: images per row; the last row may be short.
        scale: magnification, a whole number.
        gap: pixels between images; there are none around them.
        empty: value of the pixels between images, and where a last row is short.

    Returns:
        One picture, uint8, shape (height, width, C).
    """
    count, height, width, channels = images.shape
    height, width = height * scale, width * scale
    num_rows = -(-count // num_columns)
    shape = (num_rows * (height + gap) - gap, num_columns * (width + gap) - gap, channels)
    canvas = np.full(shape, empty, dtype=np.uint8)
    for index, image in enumerate(images):
        row, column = divmod(index, num_columns)
        top, left = row * (height + gap), column * (width + gap)
        large = image.repeat(scale, axis=0).repeat(scale, axis=1)
        canvas[top : top + height, left : left + width] = large
    return canvas

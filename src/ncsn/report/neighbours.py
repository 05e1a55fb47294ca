"""The training images nearest to generated ones, by distance between pixels.

A sample that repeats a training image shows here (Song & Ermon 2019, Fig. 9). Distances in the
features of a network are not considered, nor are mirrored images.
"""

import numpy as np

NUM_NEIGHBOUR_ROWS, NUM_NEIGHBOURS = 10, 9
CHUNK = 4096  # training images that are float64 at the same time


def nearest_images(samples: np.ndarray, images: np.ndarray, count: int) -> np.ndarray:
    """Returns the indices of the nearest images, nearest first.

    Squared distances of uint8 pixels are whole numbers below 2^53, so float64 holds them exactly
    and no order of summation changes the result. Of equal distances the lower index comes first.

    Args:
        samples: uint8, shape (N, H, W, C).
        images: uint8, shape (M, H, W, C).
        count: how many of each, at most M.

    Returns:
        int64, shape (N, count).
    """
    at = samples.reshape(len(samples), -1).astype(np.float64)
    # the sample's own squared norm is left out: it is the same for all images
    squared = np.empty((len(samples), len(images)))
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK].reshape(-1, at.shape[1]).astype(np.float64)
        norms = np.einsum("md,md->m", chunk, chunk)
        squared[:, start : start + CHUNK] = norms - 2 * (at @ chunk.T)
    return np.argsort(squared, axis=1, kind="stable")[:, :count]

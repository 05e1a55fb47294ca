"""What the summary of `prepare` holds: pixel statistics, content hash, distances of pairs.

Pixel statistics come from counts of the 256 byte values, so they are exact and need no float copy
of the images. Pair distances are what Technique 1 of NCSNv2 (2006.09011) sets sigma_1 from.
"""

from typing import Any, NamedTuple

import numpy as np
import torch

from ncsn.base.rng import generator
from ncsn.data.split import Split, split_sha256

MAX_PAIRWISE_POINTS = 10_000  # as NCSNv2 does for large data sets
_BLOCK = 512  # images at once
_EXACT = 1024  # products of numbers from -128 to 127 whose sum is at most 2^24, exact in fp32
_DIGITS = 4  # of distances


class PairwiseDistances(NamedTuple):
    """Euclidean distances between images, pixel values in [0, 1].

    Attributes:
        max: the largest.
        median: the median over pairs of different images.
        num_points: number of images that were compared, each with every other.
    """

    max: float
    median: float
    num_points: int


def split_summary(split: Split) -> dict[str, Any]:
    """Returns count, shape [H, W, C], pixel statistics and content hash of a split.

    `mean` and `std` are over all pixels and channels, `channel_mean` and `channel_std` over the
    pixels of a channel, in byte values 0..255; `std` divides by the number of pixels.
    """
    counts = byte_counts(split.images)
    means, stds = _moments(counts)
    mean, std = _moments(counts.sum(0, keepdims=True))
    return {
        "count": len(split.images),
        "shape": list(split.images.shape[1:]),
        "mean": mean[0],
        "std": std[0],
        "channel_mean": means,
        "channel_std": stds,
        "sha256": split_sha256(split),
    }


def byte_counts(images: np.ndarray) -> np.ndarray:
    """Returns how often each byte value occurs in each channel.

    Args:
        images: uint8, shape (N, H, W, C).

    Returns:
        int64, shape (C, 256).
    """
    counts = np.zeros((images.shape[-1], 256), np.int64)
    for start in range(0, len(images), _BLOCK):
        for channel, row in enumerate(counts):
            values = images[start : start + _BLOCK, ..., channel].ravel()
            row += np.bincount(values, minlength=256)
    return counts


def pairwise_distances(images: np.ndarray, seed: int) -> PairwiseDistances:
    """Largest and median distance between images, over at most 10,000 of them.

    Args:
        images: uint8, shape (N, H, W, C), N >= 2.
        seed: names the generator that chooses 10,000 images where there are more.

    Returns:
        Distances in units where pixel values lie in [0, 1], to 4 decimals.
    """
    if len(images) > MAX_PAIRWISE_POINTS:
        order = torch.randperm(len(images), generator=generator(seed, "data", "pairwise"))
        images = images[order[:MAX_PAIRWISE_POINTS].sort().values.numpy()]
    distances = _pair_distances(torch.from_numpy(images).flatten(1))
    return PairwiseDistances(
        round(float(distances.max()), _DIGITS),
        round(float(np.median(distances, overwrite_input=True)), _DIGITS),
        len(images),
    )


def _pair_distances(points: torch.Tensor) -> np.ndarray:
    """Distances of all pairs of rows of bytes, in units of 255, float32, shape (N (N-1) / 2,).

    Their squares are whole numbers and exact, so neither threads nor processors move a digit.
    """
    x = points.float().sub_(128)
    squares, num_points = x.square().sum(1, dtype=torch.float64), len(x)
    distances = np.empty(num_points * (num_points - 1) // 2, np.float32)
    filled = 0
    for start in range(0, num_points, _BLOCK):
        rows = slice(start, start + _BLOCK)
        block = squares[start:] + squares[rows, None]
        for part in x.split(_EXACT, dim=1):
            block -= 2 * (part[rows] @ part[start:].T)
        for row, values in enumerate(block.sqrt_().div_(255).float().numpy()):
            distances[filled : filled + len(values) - row - 1] = values[row + 1 :]
            filled += len(values) - row - 1
    return distances


def _moments(counts: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each row of byte counts, exact up to float64."""
    values, total = np.arange(256), counts.sum(1)
    mean = counts @ values / total
    variance = (counts * (values - mean[:, None]) ** 2).sum(1) / total
    return mean.tolist(), np.sqrt(variance).tolist()

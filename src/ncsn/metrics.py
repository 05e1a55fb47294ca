"""Numbers that compare generated images with real ones, under the names of `keys`.

torch-fidelity computes them from features; here are the statistics it takes, made in one pass over
batches, and the checks without which its numbers mean nothing.
"""

from typing import NamedTuple

import numpy as np
import torch

from ncsn import fidelity, keys
from ncsn.errors import UserError
from ncsn.limits import MAX_PIXELS
from ncsn.params import EvaluateParams
from ncsn.rng import mixed_seed
from ncsn.threads import one_thread

_ROWS = 1024  # rows in float64 at once
_FLOOR_SUBSETS, _FLOOR_SUBSET_SIZE = 100, 1000  # torch-fidelity's defaults for KID
_ISC_SPLITS = 10  # customary, and torch-fidelity's default


class Statistics(NamedTuple):
    """Mean (D,) and unbiased covariance (D,D) of rows, float64."""

    mean: np.ndarray
    cov: np.ndarray


@one_thread()
def feature_statistics(rows: np.ndarray | torch.Tensor, scale: float = 1.0) -> Statistics:
    """Returns mean and covariance of `scale * rows`, flattened to (N,D), computed in float64.

    Args:
        rows: numbers of shape (N,...), of any type.
        scale: factor on every number; 1/255 brings bytes to [0, 1].

    Returns:
        Mean (D,) and covariance (D,D), divided by N - 1.

    Raises:
        UserError: fewer than two rows, or a number that is not finite.
    """
    if len(rows) < 2:
        raise UserError(f"a covariance needs at least 2 images, got {len(rows)}")
    chunks = [slice(start, start + _ROWS) for start in range(0, len(rows), _ROWS)]
    mean = sum(_flat(rows[chunk]).sum(axis=0) for chunk in chunks) / len(rows)
    if not np.isfinite(mean).all():
        raise UserError("features: not all numbers are finite")
    cov = np.zeros((len(mean), len(mean)))
    for chunk in chunks:
        centred = _flat(rows[chunk]) - mean
        cov += centred.T @ centred
    return Statistics(scale * mean, scale**2 * cov / (len(rows) - 1))


def pixel_statistics(images: np.ndarray) -> Statistics:
    """Returns the statistics of images as points in [0, 1]^(H*W*C).

    Args:
        images: uint8 (N,H,W,C).

    Returns:
        Mean and covariance in units where pixel values lie in [0, 1].

    Raises:
        UserError: more than 4096 numbers an image.
    """
    if (size := int(np.prod(images.shape[1:]))) > MAX_PIXELS:
        raise UserError(
            f"reference.pixel_frechet (value true): images have {size} numbers, more than the"
            f" {MAX_PIXELS} that a pixel covariance is made for; set it to false"
        )
    return feature_statistics(images, scale=1 / 255)


@one_thread()
def frechet_distance(
    mean1: np.ndarray, cov1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray
) -> float:
    """Returns the squared Frechet distance of two Gaussians (Heusel et al. 2017, Eq. 6).

    |mean1 - mean2|^2 + tr(cov1 + cov2 - 2 (cov1 cov2)^(1/2)), by torch-fidelity. Rounding can
    leave a value near zero slightly negative.

    Args:
        mean1: (D,) float64.
        cov1: (D,D) float64, may be singular.
        mean2: as mean1.
        cov2: as cov1.

    Returns:
        The distance, in squared units of the features.

    Raises:
        ValueError: shapes that do not fit, or numbers that are not finite.
    """
    parts = (mean1, cov1, mean2, cov2)
    shapes = [part.shape for part in parts]
    if shapes[:2] != shapes[2:] or shapes[1] != 2 * shapes[0]:
        raise ValueError(f"means must be (D,) and covariances (D,D), got {shapes}")
    if not all(np.isfinite(part).all() for part in parts):
        raise ValueError("means and covariances must be finite")
    return fidelity.frechet(mean1, cov1, mean2, cov2)


@one_thread()
def evaluate_features(
    generated: torch.Tensor,
    real: torch.Tensor,
    logits: torch.Tensor | None,
    real_statistics: Statistics,
    params: EvaluateParams,
    seed: int,
) -> dict[str, float]:
    """Returns FID, KID, precision, recall and, given logits, the Inception Score, with counts.

    Args:
        generated: features of generated images, (N,D) float32.
        real: features of real images, (M,D) float32.
        logits: class scores of the generated images, (N,K), or None to leave out the score.
        real_statistics: mean and covariance of `real`.
        params: sizes inside the metrics.
        seed: names the random subsets of KID and the splits of the Inception Score.

    Returns:
        Values by the `eval/` keys.

    Raises:
        UserError: too few images for a metric, or features that are not finite.
    """
    _check_counts(len(generated), len(real), params)
    fid = frechet_distance(*feature_statistics(generated), *real_statistics)
    kid_mean, kid_std = fidelity.kernel_distance(
        generated, real, params.kid_subsets, params.kid_subset_size, fidelity_seed(seed)
    )
    precision, recall = fidelity.precision_recall(generated, real, params.prc_neighborhood)
    metrics = {
        keys.FID: fid,
        keys.FID_NUM_SAMPLES: len(generated),
        keys.NUM_REFERENCE: len(real),
        keys.KID_MEAN: kid_mean,
        keys.KID_STD: kid_std,
        keys.PRECISION: precision,
        keys.RECALL: recall,
    }
    if logits is not None:
        splits = min(_ISC_SPLITS, len(logits))
        mean, std = fidelity.inception_score(logits, splits, fidelity_seed(seed))
        metrics |= {keys.ISC_MEAN: mean, keys.ISC_STD: std}
    return metrics


@one_thread()
def floor_features(
    other: torch.Tensor, real: torch.Tensor, real_statistics: Statistics, seed: int
) -> dict[str, float]:
    """Returns FID and KID between two sets of real images, with counts.

    The subsets of KID are torch-fidelity's default, 100 of at most 1000 images: the estimate is
    unbiased, so their size moves its spread and not its mean. FID is biased upwards for few
    images, so its counts belong to it.

    Args:
        other: features of the split that is not the reference, (N,D) float32.
        real: features of the reference split, (M,D) float32.
        real_statistics: mean and covariance of `real`.
        seed: names the random subsets of KID.

    Returns:
        Values by the `floor/` keys.
    """
    subset_size = min(_FLOOR_SUBSET_SIZE, len(other), len(real))
    fid = frechet_distance(*feature_statistics(other), *real_statistics)
    kid_mean, _ = fidelity.kernel_distance(
        other, real, _FLOOR_SUBSETS, subset_size, fidelity_seed(seed)
    )
    return {
        keys.FLOOR_FID: fid,
        keys.FLOOR_FID_NUM_SAMPLES: len(other),
        keys.FLOOR_NUM_REFERENCE: len(real),
        keys.FLOOR_KID_MEAN: kid_mean,
    }


def fidelity_seed(seed: int) -> int:
    """Returns the `rng_seed` that stands for `seed` in torch-fidelity, which takes 32 bits.

    torch-fidelity seeds a generator of its own with it; the global one is not touched.
    """
    return mixed_seed(seed, "metrics") % 2**32


def _flat(rows: np.ndarray | torch.Tensor) -> np.ndarray:
    values = rows.numpy() if isinstance(rows, torch.Tensor) else rows
    return values.reshape(len(values), -1).astype(np.float64)


def _check_counts(num_samples: int, num_reference: int, params: EvaluateParams) -> None:
    fewest = min(num_samples, num_reference)
    counts = f"{num_samples} samples, {num_reference} reference images"
    if fewest < 2:
        raise UserError(f"metrics need at least 2 images a side, got {counts}")
    if params.kid_subset_size > fewest:
        raise UserError(
            f"evaluate.kid_subset_size (value {params.kid_subset_size}): must be at most {fewest},"
            f" the smaller of {counts}"
        )
    if params.prc_neighborhood >= fewest:
        raise UserError(
            f"evaluate.prc_neighborhood (value {params.prc_neighborhood}): must be less than"
            f" {fewest}, the smaller of {counts}"
        )

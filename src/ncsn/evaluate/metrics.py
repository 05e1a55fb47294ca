"""Numbers that compare generated images with real ones, under the names of `metric_names`.

torch-fidelity computes them from features, all but the Frechet distance, which the toy studies and
previews need too (`maths.frechet`); here are the checks without which the numbers mean nothing.
"""

import numpy as np
import torch

from ncsn.base import metric_names as keys
from ncsn.base.errors import UserError
from ncsn.base.rng import mixed_seed
from ncsn.config.limits import MAX_PIXELS
from ncsn.config.params import EvaluateParams
from ncsn.evaluate import torch_fidelity as fidelity
from ncsn.maths.frechet import GaussianStatistics, frechet_distance, gaussian_statistics
from ncsn.runtime.threads import one_thread

_FLOOR_SUBSETS, _FLOOR_SUBSET_SIZE = 100, 1000  # torch-fidelity's defaults for KID
_ISC_SPLITS = 10  # customary, and torch-fidelity's default


@one_thread()
def feature_statistics(rows: torch.Tensor, scale: float = 1.0) -> GaussianStatistics:
    """Returns mean and covariance of `scale * rows`, shape (N, D), on one thread.

    Raises:
        UserError: fewer than two rows, or a number that is not finite.
    """
    if len(rows) < 2:
        raise UserError(f"a covariance needs at least 2 images, got {len(rows)}")
    try:
        return gaussian_statistics(rows, scale)
    except ValueError as error:
        raise UserError(f"features: {error}") from None


def pixel_statistics(images: np.ndarray) -> GaussianStatistics:
    """Returns the statistics of images as points in [0, 1]^(H*W*C).

    Args:
        images: uint8 (N,H,W,C).

    Returns:
        Mean and covariance in units where pixel values lie in [0, 1].

    Raises:
        UserError: more than 4096 numbers per image.
    """
    if (size := int(np.prod(images.shape[1:]))) > MAX_PIXELS:
        raise UserError(
            f"reference.pixel_frechet (value true): images have {size} numbers, more than the"
            f" {MAX_PIXELS} that a pixel covariance is made for; set it to false"
        )
    return feature_statistics(torch.from_numpy(images).flatten(1), scale=1 / 255)


@one_thread()
def statistics_distance(first: GaussianStatistics, second: GaussianStatistics) -> float:
    """Returns the Frechet distance of two sets by their statistics, on one thread."""
    return frechet_distance(first, second)


@one_thread()
def evaluate_features(
    generated: torch.Tensor,
    real: torch.Tensor,
    logits: torch.Tensor | None,
    real_statistics: GaussianStatistics,
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
    fid = frechet_distance(feature_statistics(generated), real_statistics)
    kid_mean, kid_std = fidelity.kernel_distance(
        generated, real, params.kid_subsets, params.kid_subset_size, fidelity_seed(seed)
    )
    precision, recall = fidelity.precision_recall(generated, real, params.prc_neighborhood)
    return {
        keys.FID: fid,
        keys.FID_NUM_SAMPLES: len(generated),
        keys.NUM_REFERENCE: len(real),
        keys.KID_MEAN: kid_mean,
        keys.KID_STD: kid_std,
        keys.PRECISION: precision,
        keys.RECALL: recall,
        **({} if logits is None else _inception_score(logits, seed)),
    }


def _inception_score(logits: torch.Tensor, seed: int) -> dict[str, float]:
    splits = min(_ISC_SPLITS, len(logits))
    mean, std = fidelity.inception_score(logits, splits, fidelity_seed(seed))
    return {keys.ISC_MEAN: mean, keys.ISC_STD: std}


@one_thread()
def floor_features(
    other: torch.Tensor, real: torch.Tensor, real_statistics: GaussianStatistics, seed: int
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
    fid = frechet_distance(feature_statistics(other), real_statistics)
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


def _check_counts(num_samples: int, num_reference: int, params: EvaluateParams) -> None:
    fewest = min(num_samples, num_reference)
    counts = f"{num_samples} samples, {num_reference} reference images"
    if fewest < 2:
        raise UserError(f"metrics need at least 2 images per side, got {counts}")
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

"""Real images measured as if they were generated, as many as those: the matched floor.

A Frechet distance is too large by about a/N, so that of 1,438 real images is no floor for 500
generated ones. The floor at their number is the mean over random subsets of the real images of the
split that is not the reference.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from ncsn.base import metric_names as keys
from ncsn.base.rng import generator
from ncsn.config.params import EvaluateParams
from ncsn.evaluate.metrics import feature_statistics, pixel_statistics
from ncsn.evaluate.reference import Reference, Summary
from ncsn.evaluate.uncertainty import MOST
from ncsn.maths.frechet import GaussianStatistics, covariance_root, rooted_distance
from ncsn.maths.kernel_distance import kernel_distances
from ncsn.maths.manifold import ball_radii, inside_share
from ncsn.runtime.threads import one_thread


class RealSet(NamedTuple):
    """Real images of the split that is not the reference: features (T,D), images (T,H,W,C)."""

    features: torch.Tensor
    images: np.ndarray


@one_thread()
def matched_floor(
    other: RealSet, reference: Reference, num_samples: int, params: EvaluateParams, seed: int
) -> Summary:
    """Returns the floors at the number of generated images, with spread and counts.

    The standard deviation over subsets is divided by sqrt(1 - n/T), since subsets of one pool of
    T images share images: that of independent draws of n images. A single subset has none. KID is
    that of all pairs, of at most MOST images a side; torch-fidelity's subsets estimate the same.

    Args:
        other: where the subsets come from.
        reference: what they are compared with.
        num_samples: generated images; with fewer real ones the floor is taken at all of those.
        params: number of subsets, 0 for no floor, and their size where it is not `num_samples`.
        seed: names the subsets.

    Returns:
        By the `matched_floor/` keys: means, standard deviations, size and number of the subsets.
    """
    if params.floor_subsets == 0:
        return {}
    total = len(other.features)
    size = min(params.floor_images or num_samples, total)
    count = params.floor_subsets if size < total else 1
    chosen = [
        torch.randperm(total, generator=generator(seed, "floor", number))[:size]
        for number in range(count)
    ]
    values = _feature_values(other.features, reference, chosen, params.prc_neighborhood)
    if reference.pixels is not None:
        values[keys.PIXEL_FRECHET] = _pixel_values(other.images, reference.pixels, chosen)
    found: Summary = {
        keys.matched(keys.FID_NUM_SAMPLES): size,
        keys.MATCHED_NUM_SUBSETS: count,
    }
    for key, drawn in values.items():
        found[keys.matched(key)] = float(np.mean(drawn))
        if count > 1:
            spread = float(np.std(drawn, ddof=1)) / (1 - size / total) ** 0.5
            found[keys.matched(keys.std_key(key))] = spread
    return found


def _feature_values(
    features: torch.Tensor, reference: Reference, chosen: list[torch.Tensor], neighbours: int
) -> dict[str, list[float]]:
    real, statistics = reference.features, reference.statistics
    root = covariance_root(statistics.cov)
    values = {
        keys.FID: [
            rooted_distance(root, statistics, feature_statistics(rows))
            for rows in _sets(features, chosen)
        ],
        keys.KID_MEAN: list(
            kernel_distances((rows[:MOST] for rows in _sets(features, chosen)), real[:MOST])
        ),
    }
    if neighbours < min(len(chosen[0]), len(real)):
        radii = ball_radii(real, neighbours)
        values[keys.PRECISION] = [
            inside_share(rows, real, radii) for rows in _sets(features, chosen)
        ]
        values[keys.RECALL] = [
            inside_share(real, rows, ball_radii(rows, neighbours))
            for rows in _sets(features, chosen)
        ]
    return values


def _sets(features: torch.Tensor, chosen: list[torch.Tensor]) -> Iterator[torch.Tensor]:
    """One set at a time: many of them would fill the memory."""
    return (features[places] for places in chosen)


def _pixel_values(
    images: np.ndarray, real: GaussianStatistics, chosen: list[torch.Tensor]
) -> list[float]:
    root = covariance_root(real.cov)
    parts = (pixel_statistics(images[places.numpy()]) for places in chosen)
    return [rooted_distance(root, real, part) for part in parts]

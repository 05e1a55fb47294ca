"""Error bars of the metrics, and FID extrapolated, under the names of `metric_names`.

A bar is a standard error: the standard deviation that the value would show if the images were
drawn anew, as many of them. With it goes the part of the generated images alone, which tells two
sets of them apart that were measured against the same reference images.
"""

from typing import NamedTuple

import numpy as np
import torch

from ncsn.base import metric_names as keys
from ncsn.base.rng import generator
from ncsn.config.params import EvaluateParams
from ncsn.maths.frechet_error import Curve, Limit, frechet_limit, frechet_variances
from ncsn.maths.jackknife import Variances, random_parts
from ncsn.maths.kernel_distance import kernel_distance_variances
from ncsn.maths.manifold import share_inside
from ncsn.runtime.threads import one_thread

FEWEST = 20  # images a side, below which there are no bars
MOST = 5_000  # images a side from which those of KID, precision and recall are estimated


class _Sample(NamedTuple):
    """Rows of one side, at most MOST, the factor that brings a variance to the number of all."""

    rows: torch.Tensor
    scale: float


@one_thread()
def feature_errors(
    generated: torch.Tensor,
    real: torch.Tensor,
    metrics: dict[str, float],
    params: EvaluateParams,
    seed: int,
) -> dict[str, float | str]:
    """Returns standard errors of FID, KID, precision and recall, and FID extrapolated.

    Args:
        generated: features of generated images, (N,D) float32.
        real: features of the reference images, (M,D) float32.
        metrics: what `evaluate_features` gave for them.
        params: number of groups; 0 of them, or fewer than 20 images a side, gives no bars.
        seed: names groups, halves and cuts.

    Returns:
        Values by the `eval/` keys, and the method in words.
    """
    if not has_errors(len(generated), len(real), params):
        return {}
    groups = _groups(len(generated), len(real), params.error_groups, seed)
    frechet = frechet_variances(generated, real, groups)
    limit = frechet_limit(generated, real, generator(seed, "cuts"))
    return {
        keys.UNCERTAINTY_METHOD: _method(params.error_groups),
        **_stderrs(keys.FID, frechet),
        **_limit(limit, frechet),
        **_stderrs(keys.KID_MEAN, _kernel_variances(generated, real, metrics, params, seed)),
        **_share_errors(generated, real, params, seed),
    }


@one_thread()
def pixel_errors(
    images: np.ndarray, real: np.ndarray, params: EvaluateParams, seed: int
) -> dict[str, float | str]:
    """Returns the standard errors of the Frechet distance in pixels.

    Args:
        images: generated, uint8 (N,H,W,C).
        real: reference images, uint8 (M,H,W,C).
        params: as in `feature_errors`.
        seed: names the groups.
    """
    if not has_errors(len(images), len(real), params):
        return {}
    rows, real_rows = (torch.from_numpy(part).flatten(1) for part in (images, real))
    groups = _groups(len(rows), len(real_rows), params.error_groups, seed)
    return _stderrs(keys.PIXEL_FRECHET, frechet_variances(rows, real_rows, groups, 1 / 255))


def has_errors(num_samples: int, num_reference: int, params: EvaluateParams) -> bool:
    """Whether error bars are asked for, of enough images."""
    return params.error_groups > 0 and min(num_samples, num_reference) >= FEWEST


def _groups(
    num_samples: int, num_reference: int, num_groups: int, seed: int
) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
    return (
        random_parts(num_samples, num_groups, generator(seed, "groups", "generated")),
        random_parts(num_reference, num_groups, generator(seed, "groups", "real")),
    )


def _stderrs(key: str, variances: Variances) -> dict[str, float | str]:
    return {
        keys.stderr_key(key): variances.total_stderr,
        keys.samples_stderr_key(key): variances.generated_stderr,
    }


def _limit(limit: Limit, frechet: Variances) -> dict[str, float | str]:
    error = (frechet.generated + frechet.real + limit.fit_error**2) ** 0.5
    points = f"samples {_points(limit.generated)}; reference images {_points(limit.real)}"
    return {
        keys.FID_INFINITY: limit.value,
        keys.stderr_key(keys.FID_INFINITY): error,
        keys.FID_INFINITY_FIT_ERROR: limit.fit_error,
        keys.FID_INFINITY_FIXED_REFERENCE: limit.fixed_reference,
        keys.FID_INFINITY_POINTS: points,
    }


def _points(curve: Curve) -> str:
    return ", ".join(f"{n}: {d:.4g}" for n, d in zip(curve.sizes, curve.distances, strict=True))


def _kernel_variances(
    generated: torch.Tensor,
    real: torch.Tensor,
    metrics: dict[str, float],
    params: EvaluateParams,
    seed: int,
) -> Variances:
    """Of KID as torch-fidelity gives it: that of all images, and that of its random subsets.

    The second falls with their number: it is the variance over subsets, divided by the number.
    """
    ours, theirs = _some(generated, seed, "generated"), _some(real, seed, "real")
    counts = len(ours.rows), len(theirs.rows)
    groups = _groups(*counts, params.error_groups, seed)
    variances = kernel_distance_variances(ours.rows, theirs.rows, groups)
    subsets = metrics[keys.KID_STD] ** 2 / params.kid_subsets
    return Variances(ours.scale * variances.generated + subsets, theirs.scale * variances.real)


def _share_errors(
    generated: torch.Tensor, real: torch.Tensor, params: EvaluateParams, seed: int
) -> dict[str, float | str]:
    """Standard errors of precision and recall; none where a half has too few neighbours."""
    ours, theirs = _some(generated, seed, "generated"), _some(real, seed, "real")
    if params.prc_neighborhood >= min(len(ours.rows), len(theirs.rows)) // 2:
        return {}
    neighbours, halves = params.prc_neighborhood, params.error_groups
    precision = share_inside(
        ours.rows, theirs.rows, neighbours, halves, generator(seed, "halves", "real")
    )
    recall = share_inside(
        theirs.rows, ours.rows, neighbours, halves, generator(seed, "halves", "generated")
    )
    return {
        **_stderrs(
            keys.PRECISION,
            Variances(ours.scale * precision.of_points, theirs.scale * precision.of_centres),
        ),
        **_stderrs(
            keys.RECALL, Variances(ours.scale * recall.of_centres, theirs.scale * recall.of_points)
        ),
    }


def _some(rows: torch.Tensor, seed: int, side: str) -> _Sample:
    if len(rows) <= MOST:
        return _Sample(rows, 1.0)
    chosen = torch.randperm(len(rows), generator=generator(seed, "some", side))[:MOST]
    return _Sample(rows[chosen], MOST / len(rows))


def _method(num_groups: int) -> str:
    return (
        f"standard error: jackknife over {num_groups} groups of generated and of reference images"
        f" (precision, recall: binomial, and {num_groups} random halves of the manifold)"
    )

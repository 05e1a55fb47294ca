"""Generated images measured against the reference folder."""

from pathlib import Path

import numpy as np
import torch

from ncsn.base import metric_names as keys
from ncsn.base.errors import UserError
from ncsn.base.files import read_npz
from ncsn.config.params import EvaluateParams
from ncsn.data.split import checked_images
from ncsn.evaluate.feature_cache import cached_features
from ncsn.evaluate.metrics import evaluate_features, pixel_statistics, statistics_distance
from ncsn.evaluate.reference import Reference, Summary
from ncsn.evaluate.torch_fidelity import CLASSIFIER, metric_layers
from ncsn.evaluate.uncertainty import feature_errors, pixel_errors


def evaluate_images(
    images: np.ndarray,
    reference: Reference,
    real_images: np.ndarray,
    params: EvaluateParams,
    seed: int,
    device: torch.device,
    work: str | Path | None = None,
) -> Summary:
    """Returns all metrics of generated images with bars and conditions, by the `eval/` keys.

    The Inception Score is left out where the extractor is cut before its class scores.

    Args:
        images: uint8 (N,H,W,C), of the size of the reference images.
        reference: what they are compared with.
        real_images: those of the reference split, uint8 (M,H,W,C), for the bar in pixels.
        params: sizes inside the metrics.
        seed: names the random subsets inside the metrics.
        device: where the extractor runs.
        work: folder of unfinished work, in which features of images are kept; None keeps none.

    Returns:
        Numbers, counts, and as strings the extractor, its layer and the hash of its weights.

    Raises:
        UserError: images of another size or type, or too few.
    """
    _check_images(images, reference.key["image_shape"])
    layers = metric_layers(reference.key["extractor"], reference.key["feature_layer"])
    names = [name for name in layers if name is not None]
    extractor, weights = reference.key["extractor"], reference.weights
    found = cached_features(images, extractor, names, weights, device, work)
    features = found[layers.features]
    logits = found[layers.logits] if layers.logits else None
    numbers = evaluate_features(
        features, reference.features, logits, reference.statistics, params, seed
    )
    metrics = _conditions(reference) | numbers
    metrics |= feature_errors(features, reference.features, numbers, params, seed)
    if reference.pixels is not None:
        own = pixel_statistics(images)
        metrics[keys.PIXEL_FRECHET] = statistics_distance(own, reference.pixels)
        metrics |= pixel_errors(images, real_images, params, seed)
    return metrics


def _check_images(images: np.ndarray, expected: list[int]) -> None:
    shape = list(images.shape[1:])
    if shape != expected or images.dtype != np.uint8:
        raise UserError(
            f"samples are {images.dtype} images of shape {shape}, those of the reference uint8 of"
            f" shape {expected} (H,W,C); make both from the same data: `dvc repro`"
        )


def _conditions(reference: Reference) -> Summary:
    trained = reference.key["extractor"] == CLASSIFIER
    seed: Summary = {keys.CLASSIFIER_SEED: str(reference.key["seed"])} if trained else {}
    return seed | {
        keys.EXTRACTOR: reference.key["extractor"],
        keys.FEATURE_LAYER: reference.key["feature_layer"],
        keys.WEIGHTS_SHA256: reference.key["weights_sha256"],
    }


def read_samples(path: str | Path) -> np.ndarray:
    """Returns the array `arr_0` of a .npz archive: generated images, uint8 (N,H,W,C)."""
    return checked_images(read_npz(path), "arr_0", path)

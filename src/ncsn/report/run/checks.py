"""Whether the files of one run fit together, so that a picture of two runs is never drawn."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ncsn.base.errors import UserError
from ncsn.base.files import REPRO
from ncsn.base.reading import remake_hint

_LEVEL = re.compile(r"_level_(\d+)$")


def check_shapes(images: Mapping[str, np.ndarray]) -> None:
    """Makes sure that images (N, H, W, C), by the path of their file, have one (H, W, C)."""
    (first, expected), *others = [(path, array.shape[1:]) for path, array in images.items()]
    for path, shape in others:
        if shape != expected:
            raise _unfit(path, f"images of shape {shape}, those of {first} have {expected}")


def check_trajectory(
    states: np.ndarray, sigmas: np.ndarray, shape: Sequence[int], path: str
) -> None:
    """Makes sure that states are uint8 (K, N, *shape) with K levels, K at least 2."""
    fits = states.ndim == 5 and states.shape[2:] == tuple(shape) and states.dtype == np.uint8
    if not fits or len(states) < 2 or states.size == 0 or sigmas.shape != states.shape[:1]:
        raise _unfit(path, f"'images' of shape {states.shape} with 'sigmas' {sigmas.shape}")
    if sigmas.dtype.kind != "f" or not np.isfinite(sigmas).all():
        raise _unfit(path, "'sigmas' that are not finite numbers")


def check_inpainting(arrays: Mapping[str, np.ndarray], shape: Sequence[int], path: str) -> None:
    """Makes sure that the arrays of `illustrate` fit images of `shape` (H, W, C)."""
    names = ("originals", "known", "completions")
    if any(name not in arrays for name in names):
        raise _unfit(path, f"{', '.join(arrays) or 'nothing'}, needed are {', '.join(names)}")
    originals, known, completions = (arrays[name] for name in names)
    types = (originals.dtype, known.dtype, completions.dtype)
    count, several = len(originals) if originals.ndim else 0, completions.shape[2:3]
    if (
        types != (np.uint8, np.bool_, np.uint8)
        or 0 in (count, *several)
        or originals.shape != (count, *shape)
        or known.shape != (2, *shape[:2])
        or completions.shape != (2, count, *several, *shape)
    ):
        raise _unfit(
            path, f"arrays of shapes {originals.shape}, {known.shape}, {completions.shape}"
        )


def check_neighbours(
    found: Mapping[str, Any], num_samples: int, num_train: int, path: str
) -> None:
    """Makes sure that every row is of a sample and every index of a training image."""
    for space in ("pixels", "features"):
        indices, distances = found[space]["indices"], found[space]["distances"]
        lengths = {len(row) for row in (*indices, *distances)}
        if len(lengths) != 1 or len(indices) != len(distances) or len(indices) > num_samples:
            raise _unfit(path, f"{space}: rows that are not those of {num_samples} samples")
        if (largest := max(map(max, indices))) >= num_train:
            raise _unfit(path, f"{space}: training image {largest} of {num_train}")


def check_levels(rows: Sequence[Mapping[str, Any]], num_levels: int, path: str) -> None:
    """Makes sure that no logged loss is of a level beyond those of the training."""
    logged = {int(match[1]) for row in rows for key in row if (match := _LEVEL.search(key))}
    if logged and max(logged) >= num_levels:
        raise _unfit(path, f"losses of level {max(logged)}, the training has {num_levels}")


def check_oracle(oracle: Mapping[str, Any], path: str) -> None:
    """Makes sure that there is one least loss per level."""
    lengths = [len(oracle[name]) for name in ("sigmas", "mean", "standard_error")]
    if len(set(lengths)) > 1:
        raise _unfit(path, f"sigmas, mean and standard_error of lengths {lengths}")


def _unfit(path: str, found: str) -> UserError:
    return UserError(f"{path}: holds {found}{remake_hint(REPRO)}")

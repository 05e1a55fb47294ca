"""The noise that a network is trained with, apart from the ladder on which it is sampled.

The stage `noise` writes it to a small JSON file, from which `train` takes all that it needs of the
section noise. Where the ladder does not decide the training (sigmas are drawn from a range, or
nothing is trained), the file does not hold it, and another ladder trains nothing again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ncsn.base.errors import UserError
from ncsn.config.params import NoiseParams
from ncsn.maths.ladder import geometric_sigmas

NUM_REPORTED = 10  # levels at which a continuous training reports its losses
_SLACK = 1e-6  # relative; sigmas come from decimal numbers in params.yaml


def training_noise(noise: NoiseParams, model_name: str) -> dict[str, Any]:
    """Returns what the training needs to know about its noise.

    `training` is ladder, continuous, or none for the exact score. `sigmas` are the levels of the
    ladder, or those at which a continuous training reports its losses, largest first; `range` is
    the largest and the smallest sigma of a continuous training.
    """
    if model_name == "oracle":
        return {"training": "none"}
    if noise.training == "ladder":
        sigmas = geometric_sigmas(noise.sigma_max, noise.sigma_min, noise.num_levels)
        return {"training": "ladder", "sigmas": sigmas.tolist()}
    sigmas = geometric_sigmas(noise.range_max, noise.range_min, NUM_REPORTED)
    return {
        "training": "continuous",
        "range": [noise.range_max, noise.range_min],
        "sigmas": sigmas.tolist(),
    }


def check_ladder(trained: Mapping[str, Any], sigmas: Sequence[float]) -> None:
    """Raises a UserError if a network was not trained for the levels of a ladder.

    Args:
        trained: what `training_noise` returned for the training.
        sigmas: the ladder, largest first.

    Raises:
        UserError: the network was trained on another ladder, or on a range that does not hold it.
    """
    if trained["training"] == "ladder":
        pairs = list(zip(sigmas, trained["sigmas"], strict=False))
        if len(sigmas) != len(trained["sigmas"]) or any(not _close(a, b) for a, b in pairs):
            raise UserError(
                f"params.yaml: noise has {len(sigmas)} levels from {sigmas[0]:g} to "
                f"{sigmas[-1]:g}, the checkpoint was trained on {len(trained['sigmas'])} from "
                f"{trained['sigmas'][0]:g} to {trained['sigmas'][-1]:g}; run `dvc repro train`"
            )
    if trained["training"] == "continuous":
        high, low = trained["range"]
        if sigmas[0] > high * (1 + _SLACK) or sigmas[-1] < low * (1 - _SLACK):
            key = "sigma_max" if sigmas[0] > high * (1 + _SLACK) else "sigma_min"
            value = sigmas[0] if key == "sigma_max" else sigmas[-1]
            raise UserError(
                f"params.yaml: noise.{key} (value {value:g}): must lie in the range {low:g} to "
                f"{high:g} that the checkpoint was trained on"
            )


def _close(a: float, b: float) -> bool:
    return abs(a - b) <= _SLACK * abs(b)

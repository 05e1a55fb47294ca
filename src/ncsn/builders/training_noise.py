"""The noise that a network is trained with, apart from the ladder on which it is sampled.

The stage `noise` writes it as one small JSON file, the only thing of the section noise that
`train` reads. A ladder that decides no training (sigmas drawn from a range, or no training at all)
does not enter the file, so that moving it trains nothing again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ncsn.base.errors import UserError
from ncsn.config.params import NoiseParams
from ncsn.maths.ladder import geometric_sigmas

NUM_REPORTED = 10  # levels at which a continuous training reports its losses
_SLACK = 1e-6  # relative; sigmas come from decimal numbers in params.yaml


def training_noise(noise: NoiseParams, model_name: str) -> dict[str, Any]:
    """Returns what the training needs to know of its noise.

    `training` is ladder, continuous, or none for the exact score. `sigmas` is the ladder of the
    training, or that at which a continuous training reports, largest first; `range` is the
    largest and the smallest sigma of a continuous training.
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
    """Makes sure that a network may be asked for scores on a ladder.

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

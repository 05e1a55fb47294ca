"""Builds the score network of the section model and the ladder of the section noise.

Each builder has its own module (`objective`, `sampler`), so that a new sampler is no change of the
code that trained the network.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ncsn.base.errors import UserError
from ncsn.base.rng import mixed_seed
from ncsn.builders.training_noise import check_ladder
from ncsn.config.params import ModelParams, NoiseParams
from ncsn.maths.exact_score import DataScore
from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.nets.refinenet import ConditionalRefineNet
from ncsn.maths.nets.refinenet_v2 import ScaledRefineNet, cascades_for


def build_sigmas(params: NoiseParams) -> Tensor:
    """Returns the ladder of the section noise, shape (L,), float64, largest first."""
    return geometric_sigmas(params.sigma_max, params.sigma_min, params.num_levels)


def trained_sigmas(noise: Mapping[str, Any]) -> Tensor:
    """Returns the levels at which a training reports its losses, shape (L,), float64.

    They are the ladder that it trains on, or levels inside the range of a continuous training.

    Args:
        noise: what the stage `noise` wrote; L = 0 where nothing is trained.
    """
    return torch.tensor(noise.get("sigmas", []), dtype=torch.float64)


def build_score_net(
    model: ModelParams,
    sigmas: Tensor,
    image_shape: Sequence[int],
    seed: int = 0,
    *,
    points: Tensor | None = None,
    dequantised: bool = False,
) -> nn.Module:
    """Returns an untrained network for images; `seed` alone decides its weights.

    Args:
        model: the section model.
        sigmas: the ladder for whose levels it gives scores, shape (L,).
        image_shape: (C, H, W).
        seed: names the generator of the initial weights.
        points: training images of the exact score, uint8, shape (N, C, H, W).
        dequantised: whether the exact score is that of dequantised images.

    Raises:
        ValueError: an exact score without points.
    """
    if model.name == "oracle":
        if points is None:
            raise ValueError("the exact score needs the training images")
        return DataScore(points, sigmas, dequantised=dequantised)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(seed, "init"))
        return _NETS[model.name](model, sigmas, image_shape)


def _ncsn(model: ModelParams, sigmas: Tensor, image_shape: Sequence[int]) -> nn.Module:
    return ConditionalRefineNet(image_shape[0], model.base_channels, len(sigmas))


def _ncsnv2(model: ModelParams, sigmas: Tensor, image_shape: Sequence[int]) -> nn.Module:
    channels, height, width = image_shape
    return ScaledRefineNet(channels, model.base_channels, sigmas, cascades_for(height, width))


_NETS: Mapping[str, Callable[[ModelParams, Tensor, Sequence[int]], nn.Module]] = {
    "ncsn": _ncsn,
    "ncsnv2": _ncsnv2,
}


def build_trained_net(
    described: Mapping[str, Mapping[str, Any]],
    image_shape: Sequence[int],
    weights: Mapping[str, Tensor],
    sigmas: Tensor | None = None,
) -> nn.Module:
    """Returns the network of a checkpoint with the given weights, for evaluation.

    Args:
        described: the checkpoint's params: sections model and train, and the noise of its
            training.
        image_shape: (C, H, W).
        weights: the checkpoint's averaged or raw weights.
        sigmas: the ladder for whose levels it gives scores, shape (L,); None takes that of its
            training.

    Raises:
        UserError: the network was not trained for `sigmas`, or the weights do not fit it.
    """
    try:
        noise = described["noise"]
        model = ModelParams.model_validate(described["model"])
        dequantised = bool(described["train"]["uniform_dequantisation"])
        if sigmas is None:
            sigmas = trained_sigmas(noise)
        else:
            check_ladder(noise, sigmas.tolist())
        points = weights.get("points")
        net = build_score_net(model, sigmas, image_shape, points=points, dequantised=dequantised)
        net.load_state_dict(weights)
    except UserError:
        raise
    except (LookupError, TypeError, ValueError, RuntimeError):
        raise UserError(
            "paths.checkpoint: its weights do not fit the network that it describes; "
            "delete the checkpoint and run `dvc repro train`"
        ) from None
    return net.eval().requires_grad_(False)

"""From the section model to a score network, and from the section noise to a ladder.

The tables of names are kept apart by stage (this file, `objective`, `sampler`), so that a new
sampler does not count as a change of what trained the network.
"""

from collections.abc import Mapping, Sequence
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
    """Returns the ladder of a training, or at which it reports, shape (L,), float64.

    Args:
        noise: what the stage `noise` wrote; a training without noise has no level, L = 0.
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
    """Returns an untrained network for images; its weights depend on `seed` alone.

    Args:
        model: the section model.
        sigmas: the ladder whose levels the network is asked for, shape (L,).
        image_shape: (C, H, W).
        seed: names the first weights.
        points: training images of the exact score, uint8, shape (N, C, H, W).
        dequantised: whether the exact score is that of dequantised images.
    """
    channels, height, width = image_shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(seed, "init"))
        if model.name == "ncsn":
            return ConditionalRefineNet(channels, model.base_channels, len(sigmas))
        if model.name == "ncsnv2":
            cascades = cascades_for(height, width)
            return ScaledRefineNet(channels, model.base_channels, sigmas, cascades)
    if model.name == "oracle" and points is not None:
        return DataScore(points, sigmas, dequantised=dequantised)
    raise ValueError(f"model.name must be 'ncsn', 'ncsnv2' or 'oracle' with points: {model.name}")


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
        sigmas: the ladder whose levels it will be asked for, shape (L,); None is that of its
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
            "paths.checkpoint: the weights in it are not those of the network that it describes; "
            "delete the checkpoint and run `dvc repro train`"
        ) from None
    return net.eval().requires_grad_(False)

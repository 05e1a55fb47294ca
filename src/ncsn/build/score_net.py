"""From the sections noise and model to a ladder and a score network.

The tables of names are kept apart by stage (this file, `objective`, `sampler`), so that a new
sampler does not count as a change of what trained the network.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ncsn.nets.refinenet import ConditionalRefineNet
from ncsn.nets.refinenet_v2 import ScaledRefineNet, cascades_for
from ncsn.noise import geometric_sigmas
from ncsn.params import ModelParams, NoiseParams
from ncsn.rng import mixed_seed


def build_sigmas(params: NoiseParams) -> Tensor:
    """Returns the ladder, shape (L,), float64, largest first."""
    return geometric_sigmas(params.sigma_max, params.sigma_min, params.num_levels)


def build_score_net(
    model: ModelParams, noise: NoiseParams, image_shape: Sequence[int], seed: int = 0
) -> nn.Module:
    """Returns an untrained network for images (C, H, W); its weights depend on `seed` alone."""
    channels, height, width = image_shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed_seed(seed, "init"))
        if model.name == "ncsn":
            return ConditionalRefineNet(channels, model.base_channels, noise.num_levels)
        if model.name == "ncsnv2":
            cascades = cascades_for(height, width)
            return ScaledRefineNet(channels, model.base_channels, build_sigmas(noise), cascades)
    raise ValueError(f"model.name must be 'ncsn' or 'ncsnv2', got '{model.name}'")


def build_trained_net(
    described: Mapping[str, Mapping[str, object]],
    image_shape: Sequence[int],
    weights: Mapping[str, Tensor],
) -> nn.Module:
    """Returns the network of a checkpoint with the given weights, for evaluation.

    Args:
        described: the checkpoint's params (sections noise and model).
        image_shape: (C, H, W).
        weights: the checkpoint's averaged or raw weights.
    """
    model = ModelParams.model_validate(described["model"])
    noise = NoiseParams.model_validate(described["noise"])
    net = build_score_net(model, noise, image_shape)
    net.load_state_dict(weights)
    return net.eval().requires_grad_(False)

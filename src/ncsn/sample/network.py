"""What is drawn with a trained network, and what the stage `sample` says of its cost."""

from typing import Any

import torch
from torch import Tensor, nn

from ncsn.builders.sampler import build_sampler, evaluations_per_image
from ncsn.config.params import Params, SampleParams
from ncsn.runtime.cost import forward_flops
from ncsn.runtime.execution import callable_side_by_side, network_scores, placed
from ncsn.runtime.memory import in_parts
from ncsn.sample.blocks import Draw, Samples
from ncsn.sample.illustrations import Scene, images_drawn


def network_draw(
    net: nn.Module,
    sigmas: Tensor,
    image_shape: tuple[int, int, int],
    params: Params,
    device: torch.device,
) -> Draw:
    """Returns the chain of the section sampler with a network's scores, on a device.

    Args:
        net: a trained network, or an exact score.
        sigmas: the ladder, shape (L,).
        image_shape: (C, H, W).
        params: with the sections base, sampler and sample.
        device: where the network runs.
    """
    net, sigmas = placed(net, device), sigmas.to(device)
    evaluations = evaluations_per_image(params.sampler, len(sigmas))
    flops = forward_flops(net, image_shape)
    to_do = flops * evaluations * params.sample.num_samples
    scores = network_scores(net, device, params.sample.precision, params.base.compile, to_do)
    kernel = build_sampler(params.sampler, sigmas)
    return Draw(
        kernel,
        in_parts(scores, "sampling"),
        image_shape,
        evaluations,
        flops,
        side_by_side=callable_side_by_side(scores, net, device),
    )


def network_scene(
    net: nn.Module,
    sigmas: Tensor,
    image_shape: tuple[int, int, int],
    params: Params,
    device: torch.device,
) -> Scene:
    """Returns what the illustrations need, with a network's scores as `network_draw` runs them.

    Args:
        net: a trained network, or an exact score.
        sigmas: the ladder, shape (L,).
        image_shape: (C, H, W).
        params: with the sections base, sampler, sample and illustrate.
        device: where the network runs.
    """
    net, sigmas = placed(net, device), sigmas.to(device)
    evaluations = evaluations_per_image(params.sampler, len(sigmas))
    to_do = forward_flops(net, image_shape) * evaluations * images_drawn(params.illustrate)
    scores = network_scores(net, device, params.sample.precision, params.base.compile, to_do)
    return Scene(
        in_parts(scores, "illustrations"),
        sigmas,
        image_shape,
        params.sampler,
        params.sample,
        params.base.max_batch_size,
    )


def sample_summary(samples: Samples, draw: Draw, params: SampleParams) -> dict[str, Any]:
    """Returns what was drawn at which cost, and the params that name the noise."""
    return {
        "num_samples": len(samples.images),
        "network_evaluations_per_image": draw.evaluations_per_image,
        "flops_per_evaluation": draw.flops_per_evaluation,
        **params.model_dump(include={"seed", "block_size"}),
    }

"""What is drawn with a trained network, and what the stage `sample` says of its cost."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ncsn.builders.sampler import build_sampler, evaluations_per_image
from ncsn.config.params import Params, SampleParams
from ncsn.maths.types import ScoreFn
from ncsn.runtime.cost import forward_flops
from ncsn.runtime.execution import callable_side_by_side, described_way, network_scores, placed
from ncsn.runtime.memory import in_parts
from ncsn.runtime.way import Way, chosen_way
from ncsn.sample.blocks import Draw, Samples
from ncsn.sample.illustrations import Scene, images_drawn


class _PlacedScores(NamedTuple):
    """A network's scores on a device, and what a chain with them costs."""

    score_fn: ScoreFn
    sigmas: Tensor
    evaluations_per_image: int
    flops_per_evaluation: int
    side_by_side: bool
    way: Way


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
    num_images = params.sample.num_samples
    placed_scores = _placed_scores(net, sigmas, image_shape, params, device, num_images)
    return Draw(
        build_sampler(params.sampler, placed_scores.sigmas),
        in_parts(placed_scores.score_fn, "sampling"),
        image_shape,
        placed_scores.evaluations_per_image,
        placed_scores.flops_per_evaluation,
        side_by_side=placed_scores.side_by_side,
        execution=lambda: described_way(placed_scores.way, placed_scores.score_fn),
    )


def network_scene(
    net: nn.Module,
    sigmas: Tensor,
    image_shape: tuple[int, int, int],
    params: Params,
    device: torch.device,
) -> Scene:
    """Returns what the illustrations need; arguments as in `network_draw`, and `illustrate`."""
    num_images = images_drawn(params.illustrate)
    placed_scores = _placed_scores(net, sigmas, image_shape, params, device, num_images)
    return Scene(
        in_parts(placed_scores.score_fn, "illustrations"),
        placed_scores.sigmas,
        image_shape,
        params.sampler,
        params.sample,
        params.base.max_batch_size,
    )


def _placed_scores(
    net: nn.Module,
    sigmas: Tensor,
    image_shape: tuple[int, int, int],
    params: Params,
    device: torch.device,
    num_images: int,
) -> _PlacedScores:
    net, evaluations = placed(net, device), evaluations_per_image(params.sampler, len(sigmas))
    flops = forward_flops(net, image_shape)
    way = chosen_way(
        params.sample.precision, params.base, device, flops * evaluations * num_images
    )
    scores = network_scores(net, device, way)
    beside = callable_side_by_side(scores, net, device)
    return _PlacedScores(scores, sigmas.to(device), evaluations, flops, beside, way)


def sampling_precision(
    net: nn.Module,
    num_levels: int,
    image_shape: tuple[int, int, int],
    params: Params,
    device: torch.device,
) -> str:
    """Returns the precision in which the stage `sample` draws its images: fp32 or bf16.

    Args:
        net: a trained network.
        num_levels: of the ladder.
        image_shape: (C, H, W).
        params: with the sections base, sampler and sample.
        device: where it draws.
    """
    evaluations = evaluations_per_image(params.sampler, num_levels)
    flops = forward_flops(net, image_shape) * evaluations * params.sample.num_samples
    return chosen_way(params.sample.precision, params.base, device, flops).precision


def sample_summary(samples: Samples, draw: Draw, params: SampleParams) -> dict[str, Any]:
    """Returns what was drawn at which cost, and the params that name the noise."""
    return {
        "num_samples": len(samples.images),
        "network_evaluations_per_image": draw.evaluations_per_image,
        "flops_per_evaluation": draw.flops_per_evaluation,
        **params.model_dump(include={"seed", "block_size"}),
        "execution": draw.execution(),
    }

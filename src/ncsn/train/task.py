"""What the training loop takes, and how it is made of prepared images and params."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ncsn.builders.objective import build_objective
from ncsn.builders.score_net import build_score_net, trained_sigmas
from ncsn.config.params import BaseParams, Params, TrainParams
from ncsn.data.arrays import to_chw
from ncsn.maths.types import Objective
from ncsn.runtime.execution import placed


@dataclass(frozen=True)
class Task:
    """What is trained on what: all that the loop needs besides its params.

    `images` and `held_out` are uint8, shape (N, C, H, W), on the network's device; `sigmas` is the
    ladder of the training, or with a `sigma_range`, from which a continuous one draws, the ladder
    of its reports; `described` goes into the checkpoint as its params.
    """

    net: nn.Module
    objective: Objective
    images: Tensor
    held_out: Tensor
    sigmas: Tensor
    described: dict[str, dict[str, Any]]
    sigma_range: tuple[float, float] | None = None


def training_seed(params: TrainParams, base: BaseParams) -> int:
    """Returns the seed of the training: its own, else the one that all stages share."""
    return base.seed if params.seed is None else params.seed


def image_task(
    train: np.ndarray,
    held_out: np.ndarray,
    noise: Mapping[str, Any],
    params: Params,
    device: torch.device,
) -> Task:
    """Returns an untrained network with its objective and images, all on one device.

    Args:
        train: images to learn from, uint8, shape (N, H, W, C).
        held_out: images for validation, uint8, shape (M, H, W, C).
        noise: what the stage `noise` left.
        params: with the sections base, model and train.
        device: where the training runs.
    """
    images, unseen = (to_chw(split).to(device) for split in (train, held_out))
    sigmas = trained_sigmas(noise).to(device)
    net = build_score_net(
        params.model,
        sigmas,
        images.shape[1:],
        training_seed(params.train, params.base),
        points=images,
        dequantised=params.train.uniform_dequantisation,
    )
    described = {name: getattr(params, name).model_dump() for name in ("model", "train")}
    sigma_range = tuple(noise["range"]) if "range" in noise else None
    return Task(
        net=placed(net, device),
        objective=build_objective(params.train, sigmas),
        images=images,
        held_out=unseen,
        sigmas=sigmas,
        described={**described, "noise": dict(noise)},
        sigma_range=sigma_range,
    )

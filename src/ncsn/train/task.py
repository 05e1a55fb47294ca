"""From the prepared images and the sections of params.yaml to what the training loop takes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from ncsn.builders.objective import build_objective
from ncsn.builders.score_net import build_score_net, trained_sigmas
from ncsn.config.params import Params
from ncsn.data.arrays import to_chw
from ncsn.runtime.execution import placed
from ncsn.train.loop import Task


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
        params.base.seed,
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

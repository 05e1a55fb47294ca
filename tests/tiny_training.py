"""A training of a tiny network that takes part of a second, for tests of the loop."""

from typing import Any

import torch

from ncsn.base.rng import generator
from ncsn.builders.objective import build_objective
from ncsn.builders.score_net import build_score_net, trained_sigmas
from ncsn.config.params import BaseParams, ModelParams, TrainParams
from ncsn.maths.ladder import geometric_sigmas
from ncsn.train.loop import Task

NOISE = {"training": "ladder", "sigmas": geometric_sigmas(1.0, 0.1, 3).tolist()}
BASE = BaseParams(
    seed=3,
    device="cpu",
    checkpoint_every_sec=1e7,
    devices=1,
    max_batch_size=64,
    compile="never",
    deterministic=False,
)

# The keys of the section train beyond a plain training, as the paper has them.
RECIPE: dict[str, Any] = {
    "seed": None,
    "warmup_steps": 0,
    "learning_rate_decay": "constant",
    "level_sampling_power": 0.0,
    "ema_profile": "exponential",
    "ema_length": 0.1,
}


def params_of(**changes: Any) -> TrainParams:
    """The section train with few steps, and `changes`."""
    values = {
        "num_steps": 7,
        "batch_size": 8,
        "learning_rate": 1e-3,
        "adam_beta1": 0.9,
        "adam_beta2": 0.999,
        "adam_eps": 1e-8,
        "weight_power": 2.0,
        "ema_decay": 0.9,
        **RECIPE,
        "uniform_dequantisation": True,
        "random_flip": True,
        "precision": "fp32",
        "log_every_steps": 3,
        "validate_every_steps": 5,
        "preview_every_steps": 6,
        "frechet_samples": 0,
        **changes,
    }
    return TrainParams(**values)


def task_of(params: TrainParams, sigma_range: tuple[float, float] | None = None) -> Task:
    """A training on 24 random images; with a range of sigmas a continuous one."""
    model = ModelParams(name="ncsn" if sigma_range is None else "ncsnv2", base_channels=4)
    sigmas = trained_sigmas(NOISE)
    images = torch.randint(256, (24, 1, 8, 8), generator=generator("i"), dtype=torch.uint8)
    net = build_score_net(model, sigmas, (1, 8, 8), seed=1)
    described = {"noise": NOISE, "model": model.model_dump(), "train": params.model_dump()}
    objective = build_objective(params, sigmas)
    return Task(net, objective, images, images[:6], sigmas, described, sigma_range)


def batch_of(count: int = 20) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random images (B, 1, 8, 8), levels below ten (B,), and noise, as an objective takes them."""
    draws, shape = generator("batch"), (count, 1, 8, 8)
    x, z = torch.rand(shape, generator=draws), torch.randn(shape, generator=draws)
    return x, torch.arange(count) % 10, z

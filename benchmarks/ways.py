"""The two ways that `speed` compares, as functions that do a piece of work and return its size.

`plain` is the released code's way (see plain.py), on a GPU in either of its arithmetics. `ours`
are the library's own loop bodies, with the precision and compilation that params.yaml's `auto`
chooses on the device. Neither waits for the device; who measures does, at the end.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import plain
import torch
from torch import Tensor

from ncsn.base.yaml_file import read_yaml
from ncsn.builders.objective import build_objective
from ncsn.builders.sampler import build_sampler, evaluations_per_image
from ncsn.builders.score_net import build_score_net
from ncsn.config.params import BaseParams, ModelParams, SampleParams, SamplerParams, TrainParams
from ncsn.data.arrays import to_chw
from ncsn.maths.ladder import geometric_sigmas
from ncsn.runtime.cost import forward_flops, training_flops
from ncsn.runtime.execution import Execution, callable_side_by_side, network_scores, placed
from ncsn.runtime.memory import in_parts
from ncsn.runtime.threads import computing_threads, threads_for
from ncsn.runtime.way import Way, chosen_way
from ncsn.sample.blocks import Draw, draw_samples
from ncsn.train import loop as training

Work = Callable[[], float]  # does some work; returns how many units it did

PARAMS = Path(__file__).parents[1] / "params.yaml"
NUM_LEVELS = 10
STEPS_PER_LEVEL = 1
NUM_IMAGES = 2048  # random ones: the data set is larger, the arithmetic the same
LONG_RUN_FLOP = 1e18  # what `auto` takes the run to be: a whole training, a whole draw


class Size(NamedTuple):
    """A network and the batches it sees."""

    image_shape: tuple[int, int, int]
    base_channels: int
    batch_size: int
    num_samples: int
    random_flip: bool = False


SIZES = {
    "tiny": Size((1, 8, 8), 4, 16, 32),
    "digits": Size((1, 8, 8), 16, 64, 500),
    "mnist32": Size((1, 28, 28), 32, 32, 64),
    "mnist": Size((1, 28, 28), 64, 128, 512),
    "cifar10": Size((3, 32, 32), 128, 128, 512, random_flip=True),
}


def host_images(size: Size) -> np.ndarray:
    """Returns random images, uint8, shape (N, H, W, C)."""
    channels, height, width = size.image_shape
    shape = (NUM_IMAGES, height, width, channels)
    return np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)


def ladder(device: torch.device) -> Tensor:
    """Returns the paper's ladder, shape (10,)."""
    return geometric_sigmas(1.0, 0.01, NUM_LEVELS).to(device)


def plain_net(size: Size, device: torch.device) -> plain.PlainRefineNet:
    """Returns the plain network with the weights of ours."""
    net = plain.PlainRefineNet(size.image_shape[0], size.base_channels, NUM_LEVELS)
    net.load_state_dict(_net(size).state_dict())
    return net.to(device)


def plain_training(
    size: Size, device: torch.device, num_workers: int, num_steps: int, arithmetic: str
) -> Work:
    """Training steps of the plain way."""
    net = plain_net(size, device)
    steps = plain.plain_training(
        net,
        host_images(size),
        ladder(device),
        batch_size=size.batch_size,
        num_workers=num_workers,
        random_flip=size.random_flip,
    )

    def work() -> float:
        with plain.arithmetic(arithmetic):
            for _ in range(num_steps):
                next(steps)
        return num_steps

    return work


def our_training(
    size: Size, device: torch.device, precision: str, compile_choice: str, num_steps: int
) -> Work:
    """Training steps of the library: what `training.train` does between two lines of its log."""
    params = train_params(size, precision)
    sigmas, images = ladder(device), to_chw(host_images(size)).to(device)
    net = placed(_net(size), device)
    task = training.Task(net, build_objective(params, sigmas), images, images, sigmas, {})
    state = training._State(task, params)
    threads = threads_for(flops_of(size)["train"], device)
    execution = Execution(net, device, way(precision, compile_choice, device), threads)

    def work() -> float:
        with computing_threads(threads):
            for _ in range(num_steps):
                training._step(task, state, params, 1, execution)
        return num_steps

    return work


def plain_sampling(size: Size, device: torch.device, arithmetic: str) -> Work:
    """Evaluations of the plain Langevin loop: one step a level on `num_samples` images."""
    net, sigmas = plain_net(size, device).eval(), ladder(device)

    def work() -> float:
        start = torch.rand(size.num_samples, *size.image_shape, device=device)
        with plain.arithmetic(arithmetic):
            states = plain.plain_langevin(net, start, sigmas, 4e-5, STEPS_PER_LEVEL)
        assert len(states) == NUM_LEVELS * STEPS_PER_LEVEL + 1
        return size.num_samples * NUM_LEVELS * STEPS_PER_LEVEL

    return work


def our_sampling(size: Size, device: torch.device, precision: str, compile_choice: str) -> Work:
    """Evaluations of the stage `sample`, from noise to bytes in a file."""
    net = placed(_net(size).eval().requires_grad_(False), device)
    sigmas = ladder(device)
    params = SamplerParams(
        name="annealed_langevin",
        epsilon=4e-5,
        steps_per_level=STEPS_PER_LEVEL,
        final_denoise=False,
    )
    score_fn = network_scores(net, device, way(precision, compile_choice, device))
    evaluations = evaluations_per_image(params, NUM_LEVELS)
    kernel = build_sampler(params, sigmas)
    draw = Draw(
        kernel,
        in_parts(score_fn, "sampling"),
        size.image_shape,
        evaluations,
        forward_flops(net, size.image_shape),
        side_by_side=callable_side_by_side(score_fn, net, device),
    )
    # a CPU draws blocks side by side, and a whole draw has many
    block_size = size.num_samples // (4 if device.type == "cpu" else 1)
    changes = {"num_samples": size.num_samples, "block_size": block_size}
    wanted = SampleParams.model_validate(read_yaml(PARAMS)["sample"] | changes)

    def work() -> float:
        with tempfile.TemporaryDirectory() as folder:
            draw_samples(draw, wanted, size.num_samples, Path(folder))
        return size.num_samples * evaluations

    return work


def way(precision: str, compile_choice: str, device: torch.device) -> Way:
    """Returns how a long run would go on the device."""
    base = read_yaml(PARAMS)["base"] | {"compile": compile_choice}
    return chosen_way(precision, BaseParams.model_validate(base), device, LONG_RUN_FLOP)


def train_params(size: Size, precision: str) -> TrainParams:
    """Returns the paper's training of this size."""
    changes = {
        "num_steps": 10**6,
        "batch_size": size.batch_size,
        "learning_rate": 1e-3,
        "random_flip": size.random_flip,
        "precision": precision,
    }
    return TrainParams.model_validate(read_yaml(PARAMS)["train"] | changes)


def flops_of(size: Size) -> dict[str, float]:
    """Returns FLOPs of a training step and of an evaluation of one image."""
    net, shape = _net(size), size.image_shape
    step = training_flops(net, shape) * size.batch_size
    return {"train": float(step), "sample": float(forward_flops(net, shape))}


def _net(size: Size) -> torch.nn.Module:
    model = ModelParams(name="ncsn", base_channels=size.base_channels)
    return build_score_net(model, ladder(torch.device("cpu")), size.image_shape, seed=1)

"""A trained network with its ladder and its sampler, that gives scores and draws images."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from ncsn.builders.score_net import build_sigmas, build_trained_net
from ncsn.config.params import BaseParams, Params, SampleParams, SamplerParams, load_params
from ncsn.runtime.device import build_device
from ncsn.sample.blocks import draw_samples
from ncsn.sample.network import network_draw, sampling_precision
from ncsn.train.checkpoint import load_checkpoint

_AT_ONCE = 512  # images in the network, at least one block; changes no number


@dataclass(frozen=True)
class Trained:
    """A network and how images are drawn with it.

    Attributes:
        net: maps images (B, C, H, W) in [0, 1] and levels (B,), int64, 0 the noisiest, to scores.
        sigmas: the ladder, float64, shape (L,), largest first.
        image_shape: (C, H, W).
        sampler: the chain.
        sample: seed, block size and precision of the chain.
    """

    net: nn.Module
    sigmas: Tensor
    image_shape: tuple[int, int, int]
    sampler: SamplerParams
    sample: SampleParams

    def draw(
        self, num_images: int | None = None, seed: int | None = None, device: str = "auto"
    ) -> np.ndarray:
        """Draws images; the same ones as the stage `sample` where its params are the same.

        Args:
            num_images: how many, at least 1; None takes `sample.num_samples`.
            seed: names their random numbers; None takes `sample.seed`. Image number i is the same
                whatever `num_images` is.
            device: auto, cpu, cuda or cuda:N.

        Returns:
            uint8, shape (N, H, W, C).

        Raises:
            Diverged: the chain left the finite numbers.
            UserError: the device is not on this machine.
        """
        count = self.sample.num_samples if num_images is None else num_images
        stage = _drawing(self.sampler, self.sample, device)
        place = build_device(stage.base)
        # by the work of the stage, so that a few images are the same ones in the same precision
        precision = sampling_precision(self.net, len(self.sigmas), self.image_shape, stage, place)
        values = self.sample.model_dump() | {
            "precision": precision,
            "seed": self.sample.seed if seed is None else seed,
            "num_samples": max(2, count),
            "num_trajectory_images": 1,
        }
        params = _drawing(self.sampler, SampleParams(**values), device)
        draw = network_draw(self.net, self.sigmas, self.image_shape, params, place)
        with tempfile.TemporaryDirectory() as folder:
            return draw_samples(draw, params.sample, _AT_ONCE, Path(folder)).images[:count]


def _drawing(sampler: SamplerParams, sample: SampleParams, device: str) -> Params:
    """The sections that drawing takes."""
    base = BaseParams(
        seed=0,
        device=device,
        checkpoint_every_sec=60,
        devices=1,
        max_batch_size=_AT_ONCE,
        compile="auto",
        deterministic=False,
    )
    sections: dict[str, Any] = {"base": base, "sampler": sampler, "sample": sample}
    return Params.model_construct(**sections)


def trained_from_checkpoint(path: str | Path) -> Trained:
    """Returns the network of a checkpoint, on the ladder and with the sampler of params.yaml.

    Raises:
        Missing: there is no such file.
        UserError: it cannot be read, or was not trained for that ladder.
    """
    params, saved = load_params("noise", "sampler", "sample"), load_checkpoint(path)
    sigmas = build_sigmas(params.noise)
    net = build_trained_net(saved.params, saved.image_shape, saved.ema, sigmas)
    return Trained(net, sigmas, saved.image_shape, params.sampler, params.sample)

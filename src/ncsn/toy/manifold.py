"""Data on a low-dimensional set have no score (Song & Ermon 2019, Sec. 3.1 and Fig. 1).

On a segment in the plane the sliced score matching loss has no minimum: across the segment the
score may be as steep as the network allows, so the loss falls without end. Noise of variance
1e-4, invisible in an image, gives it the minimum -1/2 E||grad log q||^2.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ncsn.base.rng import generator
from ncsn.maths.least_loss import smoothed_uniform_information
from ncsn.maths.losses import gaussian_projections, sliced_score_matching_vr
from ncsn.maths.nets.mlp import ScoreMLP
from ncsn.toy.fitting import fitted_losses

_DIRECTION = (0.8, 0.6)


class ManifoldStudy(NamedTuple):
    """Loss of every training step on the bare and on the noised segment, and the latter's minimum.

    Attributes:
        bare: shape (num_steps,).
        noised: shape (num_steps,).
        least: the least loss reachable with noise.
        sigma: standard deviation of the noise.
    """

    bare: Tensor
    noised: Tensor
    least: float
    sigma: float


def manifold_study(
    *, sigma: float, num_steps: int, batch_size: int, learning_rate: float, seed: int
) -> ManifoldStudy:
    """Trains the same network from the same start on the segment without and with noise."""
    losses = [
        _losses(std, num_steps, batch_size, learning_rate, generator(seed, "toy manifold"))
        for std in (0.0, sigma)
    ]
    return ManifoldStudy(losses[0], losses[1], least_loss(sigma), sigma)


def segment(num_samples: int, draws: torch.Generator) -> Tensor:
    """Uniform points on a segment of length 1 in the plane, shape (num_samples, 2)."""
    return torch.rand((num_samples, 1), generator=draws) * torch.tensor([_DIRECTION])


def least_loss(sigma: float) -> float:
    """-1/2 E||grad log q||^2 of the segment smoothed by N(0, sigma^2 I).

    Across the segment the score has variance 1 / sigma^2; along it, that of U(0, 1) smoothed.
    """
    along = smoothed_uniform_information(1.0, torch.tensor([sigma]))
    return -0.5 * (1 + float(along)) / sigma**2


def _losses(
    sigma: float, num_steps: int, batch_size: int, learning_rate: float, draws: torch.Generator
) -> Tensor:
    net = ScoreMLP(2, draws)

    def loss_at(step: int) -> Tensor:
        x = segment(batch_size, draws)
        x = x + sigma * torch.randn(x.shape, generator=draws)
        return sliced_score_matching_vr(net, x, gaussian_projections(x, 1, draws)).mean()

    return fitted_losses(net, loss_at, num_steps=num_steps, learning_rate=learning_rate)

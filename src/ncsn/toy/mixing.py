"""Langevin against annealed Langevin with exact scores (Song & Ermon 2019, Fig. 3).

Langevin from uniform starts leaves each mode the share of starts that were nearer to it; annealing
finds the modes' weights. A level is given by the standard deviation of a mode, so that sigma = 1
is the data (Appendix B.1, 20 -> 1; the main text's 10 -> 0.1 diverges with epsilon = 0.1).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ncsn.base.rng import generator
from ncsn.maths.mixtures import GaussianMixture, two_mode_mixture
from ncsn.maths.samplers.annealing import sample
from ncsn.maths.samplers.langevin import annealed_langevin
from ncsn.maths.types import ScoreFn
from ncsn.toy.density import HALF_WIDTH

SAMPLERS = ("iid", "langevin", "annealed")


class MixingStudy(NamedTuple):
    """Samples of the first seed by sampler, (num_samples, 2), and shares of the upper mode.

    Attributes:
        samples: by sampler.
        shares: fraction of samples nearer to (5, 5), by sampler, shape (num_seeds,).
        truth: the upper mode's weight.
    """

    samples: dict[str, Tensor]
    shares: dict[str, Tensor]
    truth: float


def mixing_study(
    *, sigmas: Tensor, epsilon: float, steps_per_level: int, num_samples: int,
    num_seeds: int, seed: int,
) -> MixingStudy:  # fmt: skip
    """Draws with each sampler from each of `num_seeds` seeds; both chains take L * T steps.

    Args:
        sigmas: standard deviation of a mode at each level, largest first, at least the mixture's.
        epsilon: Algorithm 1's, in squared units of x.
        steps_per_level: steps of the annealed chain at each level.
        num_samples: samples of each seed.
        num_seeds: repeats.
        seed: of the study; repeat k draws from (seed, k).

    Returns:
        Shares of all repeats, samples of the first.
    """
    mixture = two_mode_mixture()
    draws = [generator(seed, "toy mixing", repeat) for repeat in range(num_seeds)]
    x = {"iid": torch.cat([mixture.sample(num_samples, one) for one in draws])}
    num_steps = len(sigmas) * steps_per_level
    for name, ladder, steps in (
        ("langevin", sigmas[-1:], num_steps),
        ("annealed", sigmas, steps_per_level),
    ):
        start = [uniform_points(num_samples, -HALF_WIDTH, HALF_WIDTH, one) for one in draws]
        score_fn = mode_std_score(mixture, ladder)
        x[name] = chain(score_fn, torch.cat(start), ladder, epsilon, steps, draws)
    parts = {name: x[name].split(num_samples) for name in SAMPLERS}
    return MixingStudy(
        {name: seeds[0] for name, seeds in parts.items()},
        {name: torch.tensor([upper_share(one) for one in seeds]) for name, seeds in parts.items()},
        float(mixture.weights[1]),
    )


def mode_std_score(mixture: GaussianMixture, sigmas: Tensor) -> ScoreFn:
    """Exact scores of the mixture whose modes are widened to standard deviation sigmas[level]."""
    added = (sigmas.square() - mixture.std**2).sqrt()

    def score_fn(x: Tensor, level: Tensor) -> Tensor:
        return mixture.score(x, float(added[level[0]]))  # a chain's samples share their level

    return score_fn


def chain(
    score_fn: ScoreFn,
    start: Tensor,
    sigmas: Tensor,
    epsilon: float,
    steps_per_level: int,
    draws: Sequence[torch.Generator],
) -> Tensor:
    """Annealed Langevin from `start`; a single level is Langevin dynamics with alpha = epsilon.

    Each generator draws the noise of an equal part of the samples.
    """
    shape = (len(start) // len(draws), start.shape[1])
    kernel = annealed_langevin(sigmas, epsilon=epsilon, steps_per_level=steps_per_level)

    def noise(x: Tensor) -> Tensor:
        return torch.cat([torch.randn(shape, generator=one) for one in draws])

    return sample(kernel, score_fn, start, noise)


def uniform_points(num_samples: int, low: float, high: float, draws: torch.Generator) -> Tensor:
    """Uniform points of the square [low, high]^2, shape (num_samples, 2)."""
    return low + (high - low) * torch.rand((num_samples, 2), generator=draws)


def upper_share(x: Tensor) -> float:
    """Fraction of points (B, 2) nearer to (5, 5) than to (-5, -5)."""
    return float((x.sum(1) > 0).float().mean())

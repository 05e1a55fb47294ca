"""One noise level or many (Song & Ermon 2019, Sec. 3.2 and 4).

A network for each level learns the score of the mixture smoothed by N(0, sigma^2 I). Alone, a
small sigma leaves the gap between the modes unfilled and the score there unlearned, a large one
over-corrupts the data. One after the other, from large to small, the same networks do both.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from ncsn.base.rng import generator
from ncsn.maths.losses import denoising_score_matching, fisher_divergence
from ncsn.maths.mixtures import GaussianMixture, two_mode_mixture
from ncsn.maths.nets.mlp import LevelMLPs
from ncsn.toy.density import HALF_WIDTH
from ncsn.toy.fitting import fitted_losses
from ncsn.toy.mixing import chain, uniform_points, upper_share

LevelScore = Callable[[Tensor, int], Tensor]

_NUM_TEST = 2000


class Quality(NamedTuple):
    """How good samples are; row l is level l alone, the last row all levels in turn.

    Attributes:
        distance: energy distance to data, shape (L + 1, R).
        share: fraction of samples in the upper mode, shape (L + 1, R).
        samples: of the first of R repeats, shape (L + 1, num_samples, 2).
    """

    distance: Tensor
    share: Tensor
    samples: Tensor


class ScalesStudy(NamedTuple):
    """Errors and sample quality of each level alone, and of all levels together.

    Attributes:
        sigmas: standard deviation of the added noise, shape (L,).
        gap: Fisher divergence of network and smoothed data between the modes, on the segment that
            joins them, times 1 + sigma^2: the squared error in the units of a smoothed mode's
            score; shape (L, R) for R networks of each level.
        corruption: Fisher divergence of smoothed and clean data under the data, shape (L,).
        learned: quality with the networks' scores, R networks of each level.
        exact: quality with exact scores of the smoothed data, R repeats.
    """

    sigmas: Tensor
    gap: Tensor
    corruption: Tensor
    learned: Quality
    exact: Quality


def scales_study(
    *, sigmas: Tensor, num_steps: int, batch_size: int, learning_rate: float, epsilon: float,
    steps_per_level: int, num_samples: int, num_copies: int, seed: int,
) -> ScalesStudy:  # fmt: skip
    """Trains `num_copies` networks for each level and samples with each level alone and with all.

    Every chain starts in the quarter of the square that holds the smaller mode and takes L * T
    steps of alpha = epsilon * (1 + sigma^2): epsilon times the variance of a smoothed mode.
    `num_samples` are drawn with each network.
    """
    mixture = two_mode_mixture()
    draws = generator(seed, "toy scales")
    nets = level_networks(mixture, sigmas, num_copies, num_steps, batch_size, learning_rate, draws)
    fresh = mixture.sample(_NUM_TEST, draws)
    fields: list[LevelScore] = [nets, lambda x, level: mixture.score(x, float(sigmas[level]))]
    learned, exact = (
        _quality(field, sigmas, epsilon, steps_per_level, num_copies, num_samples, fresh, draws)
        for field in fields
    )
    gap = _gap_error(mixture, nets, sigmas)
    return ScalesStudy(sigmas, gap, _corruption(mixture, sigmas, fresh), learned, exact)


def level_networks(
    mixture: GaussianMixture,
    sigmas: Tensor,
    num_copies: int,
    num_steps: int,
    batch_size: int,
    learning_rate: float,
    draws: torch.Generator,
) -> LevelMLPs:
    """Networks trained by denoising score matching, each on its level with its own samples."""
    nets = LevelMLPs(2, sigmas, num_copies, draws)
    level = torch.arange(len(sigmas)).repeat_interleave(num_copies * batch_size)

    def loss_at(step: int) -> Tensor:
        x = mixture.sample(len(level), draws)
        z = torch.randn(x.shape, generator=draws)
        # The networks share no parameters, so a sum of their means trains each by itself.
        loss = denoising_score_matching(lambda x, _: nets(x), x, level, z, sigmas)
        return loss.sum() / batch_size

    fitted_losses(nets, loss_at, num_steps=num_steps, learning_rate=learning_rate, decayed=True)
    return nets.requires_grad_(False)


def energy_distance(x: Tensor, y: Tensor) -> float:
    """2 E||X - Y|| - E||X - X'|| - E||Y - Y'|| of two samples (N, D) and (M, D), without bias.

    Zero in expectation when both come from one density (Szekely & Rizzo 2013), so that it may
    come out slightly negative.
    """
    own = [torch.cdist(a, a).sum() / (len(a) * (len(a) - 1)) for a in (x, y)]
    return float(2 * torch.cdist(x, y).mean() - own[0] - own[1])


def _gap_error(mixture: GaussianMixture, nets: LevelMLPs, sigmas: Tensor) -> Tensor:
    """`gap` of ScalesStudy: along the middle half of the segment between the modes."""
    along = torch.linspace(0.25, 0.75, 101)[:, None]
    points = (1 - along) * mixture.means[0] + along * mixture.means[1]
    x, rows = points.repeat(nets.num_copies, 1), []
    for level, sigma in enumerate(sigmas.tolist()):
        error = nets(x, level) - mixture.score(x, sigma)
        half = 0.5 * error.square().sum(1).view(nets.num_copies, -1)
        rows.append(half.mean(1) * (1 + sigma**2))
    return torch.stack(rows)


def _corruption(mixture: GaussianMixture, sigmas: Tensor, x: Tensor) -> Tensor:
    """`corruption` of ScalesStudy, on data x."""
    return torch.stack(
        [
            fisher_divergence(partial(mixture.score, sigma=sigma), mixture.score, x).mean()
            for sigma in sigmas.tolist()
        ]
    )


def _quality(
    score_at: LevelScore,
    sigmas: Tensor,
    epsilon: float,
    steps_per_level: int,
    num_copies: int,
    num_samples: int,
    fresh: Tensor,
    draws: torch.Generator,
) -> Quality:
    """Samples with each level alone, then with all, and holds them against `fresh` data."""
    stds, num_levels = (1 + sigmas.square()).sqrt(), len(sigmas)
    rows = []
    for used in [[level] for level in range(num_levels)] + [list(range(num_levels))]:
        steps = steps_per_level * num_levels // len(used)
        # All in the smaller mode's quarter: a chain that mixes forgets where it began.
        x = chain(
            partial(_at_levels, score_at, used),
            uniform_points(num_copies * num_samples, -HALF_WIDTH, 0.0, draws),
            stds[used], epsilon * float(stds[used[-1]]) ** 2, steps, [draws],
        )  # fmt: skip
        rows.append(x.view(num_copies, num_samples, 2))
    samples = torch.stack(rows)
    distance = [[energy_distance(part, fresh) for part in row] for row in samples]
    share = [[upper_share(part) for part in row] for row in samples]
    return Quality(torch.tensor(distance), torch.tensor(share), samples[:, 0])


def _at_levels(score_at: LevelScore, used: list[int], x: Tensor, level: Tensor) -> Tensor:
    """Scores at the ladder's level number used[i] for a chain that counts i over `used` alone."""
    return score_at(x, used[int(level[0])])

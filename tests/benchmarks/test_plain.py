"""The plain way of the benchmark is the same network, loss and chain as ours."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ncsn.base.rng import generator
from ncsn.builders.score_net import build_score_net
from ncsn.config.params import ModelParams
from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.losses import denoising_score_matching
from ncsn.maths.samplers.annealing import sample
from ncsn.maths.samplers.langevin import annealed_langevin

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import plain  # noqa: E402

SIGMAS = geometric_sigmas(1.0, 0.1, 4)


def _nets(channels, height, width):
    model = ModelParams(name="ncsn", base_channels=4)
    ours = build_score_net(model, SIGMAS, (channels, height, width), seed=3)
    theirs = plain.PlainRefineNet(channels, 4, 4)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 8, 8), (3, 9, 14), (1, 28, 28)])
@pytest.mark.parametrize("with_gradients", [True, False])
def test_both_ways_give_the_same_scores(channels, height, width, with_gradients):
    ours, theirs = _nets(channels, height, width)
    x = torch.rand(4, channels, height, width, generator=generator("x"))
    level = torch.tensor([0, 1, 2, 3])
    with torch.set_grad_enabled(with_gradients):
        expected, scores = theirs(x, level), ours(x, level)
    torch.testing.assert_close(
        scores, expected, rtol=1e-5, atol=1e-5 * float(expected.detach().abs().max())
    )


def test_both_ways_have_the_same_gradients():
    ours, theirs = _nets(1, 8, 8)
    sigmas, x = SIGMAS, torch.rand(6, 1, 8, 8, generator=generator("x"))
    level, z = torch.arange(6) % 4, torch.randn(6, 1, 8, 8, generator=generator("z"))
    for net in (ours, theirs):
        denoising_score_matching(net, x, level, z, sigmas).mean().backward()
    expected = dict(theirs.named_parameters())
    largest = max(float(p.grad.abs().max()) for p in expected.values())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(
            parameter.grad, expected[name].grad, rtol=1e-4, atol=1e-5 * largest, msg=name
        )


def test_plain_training_lowers_its_loss():
    _, net = _nets(1, 8, 8)
    images = np.full((32, 8, 8, 1), 77, np.uint8)
    steps = plain.plain_training(
        net, images, SIGMAS, batch_size=16, random_flip=True, learning_rate=5e-3
    )
    losses = [float(next(steps)) for _ in range(30)]
    assert np.mean(losses[-5:]) < np.mean(losses[:3])


def test_the_plain_chain_is_algorithm_1():
    """A Gaussian's score: both chains end with the same mean and spread."""
    sigmas, start = SIGMAS, torch.rand(20_000, 1, 2, 2, generator=generator("x"))

    def score(x, level):
        return (0.5 - x) / (0.2**2 + sigmas[level].float().view(-1, 1, 1, 1) ** 2)

    draws = generator("z")
    kernel = annealed_langevin(sigmas, epsilon=2e-3, steps_per_level=20)
    ours = sample(kernel, score, start, lambda x: torch.randn(x.shape, generator=draws))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the plain way draws from the global generator
        states = plain.plain_langevin(score, start, sigmas, 2e-3, 20)
    assert len(states) == 81
    for measure in (torch.mean, torch.std):
        clamped = ours.clamp(0, 1)
        assert float(measure(states[-1])) == pytest.approx(float(measure(clamped)), abs=0.01)

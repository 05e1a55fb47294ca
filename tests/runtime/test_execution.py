"""Ways to run a network change its scores by no more than their arithmetic does."""

import copy

import pytest
import torch
from sklearn.datasets import load_digits

from ncsn.base.rng import generator
from ncsn.builders.score_net import build_score_net
from ncsn.config.params import ModelParams
from ncsn.data.arrays import to_uint8
from ncsn.maths.frechet import frechet_distance, gaussian_statistics
from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.losses import denoising_score_matching
from ncsn.maths.samplers.annealing import sample
from ncsn.maths.samplers.langevin import annealed_langevin
from ncsn.runtime import compiled
from ncsn.runtime.compiled import CompiledScores
from ncsn.runtime.execution import network_scores
from ncsn.runtime.way import NETWORK, Way

CPU = torch.device("cpu")
SIGMAS = geometric_sigmas(1.0, 0.01, 10)


def _net(name="ncsn", shape=(1, 8, 8)):
    return build_score_net(ModelParams(name=name, base_channels=8), SIGMAS, shape, seed=1)


def _batch(count=20, shape=(1, 8, 8)):
    draws = generator("batch")
    x, z = torch.rand(count, *shape, generator=draws), torch.randn(count, *shape, generator=draws)
    return x, torch.arange(count) % 10, z


def _errors(score_fn, net, shape):
    """Relative error of the scores of each level against fp64, shape (L,)."""
    x, level, z = _batch(40, shape)
    noised = x + SIGMAS[level].float().view(-1, 1, 1, 1) * z
    with torch.no_grad():
        exact = copy.deepcopy(net).double()(noised.double(), level)
        scores = score_fn(noised, level)
    assert scores.dtype == torch.float32
    difference = [(scores.double() - exact)[level == i].norm() for i in range(10)]
    return torch.tensor([d / exact[level == i].norm() for i, d in enumerate(difference)])


@pytest.mark.parametrize("name", ["ncsn", "ncsnv2"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 10)])
@pytest.mark.parametrize(("precision", "bound"), [("fp32", 1e-5), ("bf16", 0.08)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_scores_of_every_level_stay_near_those_in_fp64(name, shape, precision, bound, layout):
    net = _net(name, shape)
    exact = copy.deepcopy(net)
    net.to(memory_format=layout)
    errors = _errors(network_scores(net, CPU, Way(precision)), exact, shape)
    assert float(errors.max()) < bound, errors


def test_gradients_in_bf16_point_where_those_in_fp64_do():
    x, level, z = _batch()
    exact, net = _net().double(), _net()
    denoising_score_matching(exact, x.double(), level, z.double(), SIGMAS).mean().backward()
    score_fn = network_scores(net, CPU, Way("bf16"))
    denoising_score_matching(score_fn, x, level, z, SIGMAS).mean().backward()
    a, b = (torch.cat([p.grad.double().flatten() for p in n.parameters()]) for n in (exact, net))
    assert float(torch.dot(a, b) / (a.norm() * b.norm())) > 0.99


def test_the_first_layer_is_never_bf16():
    net, seen = _net(), []
    score_fn = network_scores(net, CPU, Way("bf16"))
    inner = net.head.forward
    net.head.forward = lambda x: seen.append(inner(x).dtype) or inner(x)
    x, level, _ = _batch()
    score_fn(x, level)
    assert seen == [torch.float32]


def test_a_compiler_that_fails_is_told_of_once_and_does_not_end_the_run(monkeypatch, capsys):
    def broken(*_, **__):
        def call(x, level):
            raise RuntimeError("no C++ compiler\nand more")

        return call

    monkeypatch.setattr(compiled.torch, "compile", broken)
    scores = CompiledScores(lambda x, level: 2 * x, CPU)
    assert scores(torch.ones(1), torch.ones(1)) == scores(torch.ones(1), torch.ones(1)) == 2
    told = capsys.readouterr().err
    assert told.count("notice") == 1 and "RuntimeError: no C++ compiler)" in told


@pytest.mark.slow
def test_compiled_scores_and_gradients_stay_near_those_in_fp64():
    net = _net()
    fast = network_scores(net, CPU, Way("fp32", NETWORK))
    assert float(_errors(fast, net, (1, 8, 8)).max()) < 1e-5
    x, level, z = _batch()
    exact = _net().double()
    denoising_score_matching(exact, x.double(), level, z.double(), SIGMAS).mean().backward()
    denoising_score_matching(fast, x, level, z, SIGMAS).mean().backward()
    for mine, theirs in zip(net.parameters(), exact.parameters(), strict=True):
        torch.testing.assert_close(mine.grad.double(), theirs.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_bf16_moves_the_distance_of_samples_by_less_than_other_seeds_do():
    data = torch.tensor(load_digits().images[:, None] * (255 / 16)).to(torch.uint8)
    net = _trained_on(data)
    real = gaussian_statistics(data.flatten(1), 1 / 255)

    def distance(precision, seed):
        draws = generator("bf16", seed)
        score_fn = network_scores(copy.deepcopy(net), CPU, Way(precision))
        with torch.inference_mode():
            images = sample(
                annealed_langevin(SIGMAS, epsilon=1e-4, steps_per_level=2),
                score_fn,
                torch.rand(150, 1, 8, 8, generator=draws),
                lambda x: torch.randn(x.shape, generator=draws),
            )
        return frechet_distance(gaussian_statistics(to_uint8(images).flatten(1), 1 / 255), real)

    fp32, bf16 = (torch.tensor([distance(name, s) for s in range(5)]) for name in ("fp32", "bf16"))
    assert float((fp32 - bf16).mean().abs()) < float(fp32.std()), (fp32, bf16)


def _trained_on(data):
    net = _net()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for step in range(80):
        draws = generator("steps", step)
        x = data[torch.randint(len(data), (64,), generator=draws)].float() / 255
        level, z = (
            torch.randint(10, (64,), generator=draws),
            torch.randn(x.shape, generator=draws),
        )
        optimizer.zero_grad()
        denoising_score_matching(net, x, level, z, SIGMAS).mean().backward()
        optimizer.step()
    return net.requires_grad_(False)

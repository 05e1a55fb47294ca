"""Small networks: sizes, first weights, and networks side by side that are networks alone."""

import torch

from ncsn.base.rng import generator
from ncsn.maths.nets.mlp import EnergyScore, LevelMLPs, ScoreMLP

SIGMAS = torch.tensor([2.0, 0.5])


def test_sizes_are_those_of_the_docstrings() -> None:
    def size(net: torch.nn.Module) -> int:
        return sum(p.numel() for p in net.parameters())

    assert size(ScoreMLP(2, generator("w"))) == 17_154
    one = 2 * 64 + 64 + 64 * 64 + 64 + 64 * 2 + 2
    assert size(LevelMLPs(2, SIGMAS, 3, generator("w"))) == 2 * 3 * one


def test_first_weights_fill_the_interval_of_their_fan_in() -> None:
    """U(-1/sqrt(n), 1/sqrt(n)) for n inputs, biases too."""
    net = ScoreMLP(2, generator("w"))
    for layer in list(net)[::2]:
        bound = layer.in_features**-0.5
        values = torch.cat([layer.weight.flatten(), layer.bias]).detach()
        assert 0.9 * bound < float(values.abs().max()) <= bound


def test_an_energy_is_one_number_for_each_point() -> None:
    net, x = EnergyScore(3, generator("w")), torch.rand(5, 3, generator=generator("x"))
    assert net.energy(x).shape == (5,)
    assert net(x).shape == (5, 3)


def test_networks_side_by_side_are_networks_alone_over_their_sigmas() -> None:
    """Each of 2 levels x 3 copies, taken out as linear layers with softplus between them."""
    nets = LevelMLPs(2, SIGMAS, 3, generator("w"), hidden=(5, 4))
    x = torch.randn(6 * 7, 2, generator=generator("x"))
    expected = []
    for index, part in enumerate(x.split(7)):
        y = part
        for layer, (weight, bias) in enumerate(zip(nets.weights, nets.biases, strict=True)):
            y = (torch.nn.functional.softplus(y) if layer else y) @ weight[index] + bias[index]
        expected.append(y / SIGMAS[index // 3])
    torch.testing.assert_close(nets(x), torch.cat(expected))
    torch.testing.assert_close(nets(x[21:], level=1), torch.cat(expected[3:]))

"""The average of weights."""

import math

import pytest
import torch
from torch import nn

from ncsn.maths.ema import (
    FLAT_LENGTH,
    WeightAverage,
    exponential_profile,
    power_of_length,
    power_profile,
)


def _net():
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 0.0)
    return net


def test_it_follows_the_recursion_with_its_warm_up():
    net, expected = _net(), 0.0
    average = WeightAverage(net, exponential_profile(0.9))
    for n in range(1, 200):
        nn.init.constant_(net.weight, float(n))
        average.update()
        decay = min(0.9, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * n
    torch.testing.assert_close(average.state_dict()["weight"].item(), expected, rtol=1e-5, atol=0)


def test_decay_zero_is_a_copy():
    net = _net()
    average = WeightAverage(net, exponential_profile(0.0))
    nn.init.constant_(net.weight, 5.0)
    average.update()
    assert average.state_dict()["weight"].item() == 5.0


def test_a_loaded_average_goes_on_like_the_first():
    net = _net()
    first, second = (
        WeightAverage(net, exponential_profile(0.99)),
        WeightAverage(net, exponential_profile(0.99)),
    )
    for n in range(30):
        nn.init.constant_(net.weight, float(n))
        first.update()
        if n == 10:
            second.load({k: v.clone() for k, v in first.state_dict().items()}, first.num_updates)
        elif n > 10:
            second.update()
    assert torch.equal(first.state_dict()["weight"], second.state_dict()["weight"])


def test_the_warm_up_caps_the_decay_at_every_update():
    net = _net()
    average, expected = WeightAverage(net, exponential_profile(0.999)), 0.0
    for n in range(1, 30):
        nn.init.constant_(net.weight, float(n))
        average.update()
        decay = (1 + n) / (10 + n)
        expected = decay * expected + (1 - decay) * n
        torch.testing.assert_close(
            average.state_dict()["weight"].item(), expected, rtol=1e-5, atol=0
        )


def test_the_average_needs_no_gradient():
    net = _net()
    average = WeightAverage(net, exponential_profile(0.9))
    average.update()
    assert not average.state_dict()["weight"].requires_grad


def _shares(length, num_updates):
    """How much each update counts in the power average, by averaging unit vectors."""
    net = nn.Linear(num_updates, 1, bias=False).double()
    nn.init.constant_(net.weight, 100.0)  # a start that must not weigh
    average = WeightAverage(net, power_profile(length))
    for update in range(num_updates):
        with torch.no_grad():
            net.weight.zero_()[0, update] = 1.0
        average.update()
    return average.state_dict()["weight"][0]


@pytest.mark.parametrize("length", [0.01, 0.05, 0.1, 0.28])
def test_shares_of_the_power_average_have_their_closed_form_and_sum_to_one(length):
    n, power = 50, power_of_length(length) + 1
    update = torch.arange(1, n + 1, dtype=torch.float64)
    shares = _shares(length, n)
    torch.testing.assert_close(shares, (update / n) ** power - ((update - 1) / n) ** power)
    assert float(shares.sum()) == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("length", [0.05, 0.1, 0.28])
def test_the_length_is_the_relative_standard_deviation_of_the_shares(length):
    n = 2000
    shares, place = _shares(length, n), (torch.arange(n, dtype=torch.float64) + 0.5) / n
    mean = (shares * place).sum()
    assert float((shares * (place - mean) ** 2).sum().sqrt()) == pytest.approx(length, rel=1e-3)


def test_the_longest_power_average_is_the_plain_mean():
    assert FLAT_LENGTH == math.sqrt(1 / 12)
    assert power_of_length(FLAT_LENGTH - 1e-9) == pytest.approx(0.0, abs=1e-6)
    for length in (0.0, FLAT_LENGTH, float("nan")):
        with pytest.raises(ValueError, match="0 < length < 0.2887 must hold"):
            power_of_length(length)

"""The average of weights."""

import torch
from torch import nn

from ncsn.maths.ema import WeightAverage, exponential_profile


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

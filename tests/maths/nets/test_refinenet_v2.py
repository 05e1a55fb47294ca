"""NCSNv2's network: exact size, division by sigma, weights that fit every ladder."""

import pytest
import torch

from ncsn.base.rng import generator
from ncsn.builders.score_net import build_score_net
from ncsn.config.params import ModelParams
from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.nets.layers import ConvMeanPool
from ncsn.maths.nets.norm import ConditionalInstanceNormPlus
from ncsn.maths.nets.refinenet_v2 import ScaledRefineNet, cascades_for

SIGMAS = geometric_sigmas(50, 0.01, 10)


def _image(*shape):
    return torch.rand(shape, generator=generator("x"))


def _net(channels=1, sigmas=SIGMAS, cascades=4):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ScaledRefineNet(channels, 4, sigmas, cascades)


@pytest.mark.parametrize(
    ("size", "count", "norms"),
    [(32, 29_694_083, 17), (64, 29_694_083, 17), (96, 83_445_379, 21), (256, 94_132_611, 25)],
)
def test_parameter_counts_are_those_of_the_released_networks(size, count, norms):
    """Counts of 96 and 256 pixels are of the released code's networks, instantiated."""
    with torch.device("meta"):
        net = ScaledRefineNet(3, 128, SIGMAS, cascades_for(size, size))
    assert sum(p.numel() for p in net.parameters()) == count
    assert sum(isinstance(m, ConditionalInstanceNormPlus) for m in net.modules()) == norms


@pytest.mark.parametrize(("size", "cascades"), [(8, 4), (28, 4), (64, 4), (17, 5), (16, 6)])
def test_scores_have_the_shape_of_the_images(size, cascades):
    x = _image(2, 3, size, size)
    assert _net(3, cascades=cascades)(x, torch.tensor([0, 9])).shape == x.shape


def test_the_score_is_one_field_divided_by_sigma():
    """Technique 3: at one x the scores of two levels differ by the ratio of the sigmas alone."""
    net, x = _net(), _image(1, 1, 8, 8)
    level = torch.arange(len(SIGMAS))
    scores = net(x.expand(len(level), -1, -1, -1), level)
    field = scores * SIGMAS.float().view(-1, 1, 1, 1)
    torch.testing.assert_close(field, field[:1].expand_as(field))
    assert field.abs().max() > 0.01


def test_images_do_not_answer_each_other():
    net, x, level = _net().double(), _image(3, 1, 8, 8).double(), torch.tensor([0, 4, 9])
    together = net(x, level)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], net(x[i : i + 1], level[i : i + 1]))


def test_weights_of_one_ladder_serve_another():
    net, other = _net(), ScaledRefineNet(1, 4, geometric_sigmas(16, 0.02, 3))
    other.load_state_dict(net.state_dict())
    x = _image(1, 1, 8, 8)
    first = net(x, torch.tensor([9])) * 0.01
    torch.testing.assert_close(other(x, torch.tensor([2])) * 0.02, first)
    assert set(net.state_dict()) == {name for name, _ in net.named_parameters()}


def test_every_parameter_has_a_gradient():
    net, x = _net(), _image(2, 1, 8, 8)
    net(x, torch.tensor([0, 9])).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_it_is_built_by_name_with_its_ladder():
    sigmas = geometric_sigmas(16.0, 0.01, 95)
    net = build_score_net(ModelParams(name="ncsnv2", base_channels=4), sigmas, (1, 28, 28))
    assert isinstance(net, ScaledRefineNet)
    torch.testing.assert_close(net.sigmas, sigmas.float())


def test_a_number_of_cascades_that_was_never_released_is_refused():
    with pytest.raises(ValueError, match="4, 5 or 6, got 3"):
        _net(cascades=3)


def test_a_size_between_two_released_ones_takes_the_cascades_of_the_larger():
    sizes = (8, 64, 65, 96, 128, 129, 256)
    assert [cascades_for(size, 8) for size in sizes] == [4, 4, 5, 5, 5, 6, 6]
    assert [cascades_for(8, size) for size in sizes] == [4, 4, 5, 5, 5, 6, 6]


@pytest.mark.parametrize("cascades", [4, 5, 6])
def test_the_last_two_cascades_are_dilated_by_2_and_4_and_those_between_halve(cascades):
    net = _net(cascades=cascades)
    dilations = [cascade.second.conv1.dilation[0] for cascade in net.cascades]
    assert dilations == [1] * (cascades - 2) + [2, 4]
    halved = [isinstance(cascade.first.conv2, ConvMeanPool) for cascade in net.cascades]
    assert halved == [False] + [True] * (cascades - 3) + [False, False]

"""The paper's network: exact size, shapes, conditioning, independence of the batch."""

from functools import partial

import pytest
import torch
from torch import nn

from ncsn.base.rng import generator
from ncsn.maths.nets.layers import ConvMeanPool, ResidualBlock, SamePaddedConv
from ncsn.maths.nets.norm import ConditionalInstanceNormPlus, NoNorm, instance_norm_plus
from ncsn.maths.nets.refinenet import ConditionalRefineNet


def _image(*shape, name="x"):
    return torch.rand(shape, generator=generator(name))


def _net(channels=1, base=4, levels=10):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ConditionalRefineNet(channels, base, levels)


@pytest.mark.parametrize(
    ("channels", "base", "count"), [(3, 128, 30_117_635), (1, 64, 7_638_657), (1, 32, 1_964_865)]
)
def test_parameter_counts_are_those_of_the_released_network(channels, base, count):
    with torch.device("meta"):
        net = ConditionalRefineNet(channels, base, 10)
    assert sum(p.numel() for p in net.parameters()) == count
    assert sum(isinstance(m, nn.Conv2d) for m in net.modules()) == 75
    assert sum(isinstance(m, ConditionalInstanceNormPlus) for m in net.modules()) == 71


@pytest.mark.parametrize("size", [8, 9, 28, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_scores_have_the_shape_of_the_images(size, channels):
    x = _image(2, channels, size, size)
    assert _net(channels)(x, torch.tensor([0, 9])).shape == x.shape


def test_each_image_answers_its_own_level_and_no_other_image():
    net, x = _net(), _image(3, 1, 8, 8)
    level = torch.tensor([0, 4, 9])
    together = net(x, level)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], net(x[i : i + 1], level[i : i + 1]))
    assert not torch.allclose(net(x, level.flip(0))[0], together[0])


@pytest.mark.parametrize("levels", [1, 5])
def test_instance_norm_plus_equals_its_formula(levels):
    """gamma * (xhat + alpha * (mu - m) / sqrt(v + 1e-5)) + beta with v over channels, unbiased."""
    norm = ConditionalInstanceNormPlus(6, levels).double()
    nn.init.normal_(norm.table, generator=generator("table"))
    x = 3 * _image(4, 6, 5, 7).double() - 1
    level = torch.arange(4) % levels
    gamma, alpha, beta = norm.table[level][:, :, None, None].chunk(3, dim=1)
    mu = x.mean((2, 3), keepdim=True)
    xhat = (x - mu) / (x.var((2, 3), keepdim=True, correction=0) + 1e-5).sqrt()
    spread = (mu - mu.mean(1, keepdim=True)) / (mu.var(1, keepdim=True) + 1e-5).sqrt()
    expected = gamma * (xhat + alpha * spread) + beta
    torch.testing.assert_close(norm(x, level), expected)
    torch.testing.assert_close(norm(x, level, elu=True), nn.functional.elu(expected))
    by_operations = instance_norm_plus(x, norm.table[level], norm.tiny)
    torch.testing.assert_close(by_operations, expected)


def test_instance_norm_plus_has_the_right_gradient():
    norm = ConditionalInstanceNormPlus(3, 2).double()
    nn.init.normal_(norm.table, generator=generator("table"))
    x = (3 * _image(2, 3, 4, 4).double() - 1).requires_grad_()
    level = torch.tensor([0, 1])
    for elu in (False, True):
        call = partial(torch.func.functional_call, norm, kwargs={"elu": elu})
        assert torch.autograd.gradcheck(
            lambda x, t, c=call: c({"table": t}, (x, level)), [x, norm.table]
        )


def test_the_derivative_of_the_norm_is_not_derived_again():
    norm, x = ConditionalInstanceNormPlus(3, 2), _image(2, 3, 4, 4).requires_grad_()
    (first,) = torch.autograd.grad(
        norm(x, torch.tensor([0, 1])).square().sum(), x, create_graph=True
    )
    with pytest.raises(RuntimeError, match="differentiate twice"):
        first.sum().backward()


@pytest.mark.parametrize("size", [3, 4])
def test_a_convolution_dilated_beyond_the_image_is_its_centre(size):
    conv = SamePaddedConv(2, 3, dilation=4).double()
    x = _image(2, 2, size, size).double()
    whole = nn.functional.conv2d(x, conv.weight, conv.bias, padding=4, dilation=4)
    torch.testing.assert_close(conv(x), whole)


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("size", [7, 8])
def test_a_convolution_of_stride_2_is_a_convolution_and_a_mean_pool(kernel, size):
    both = ConvMeanPool(2, 3, kernel).double()
    x = _image(2, 2, size, size).double()
    torch.testing.assert_close(both(x), nn.functional.avg_pool2d(both.conv(x), 2))


def test_a_residual_block_with_zeroed_convolutions_is_its_shortcut():
    block = ResidualBlock(4, 4, lambda c: ConditionalInstanceNormPlus(c, 2))
    nn.init.zeros_(block.conv2.weight)
    nn.init.zeros_(block.conv2.bias)
    x = _image(2, 4, 8, 8)
    torch.testing.assert_close(block(x, torch.tensor([0, 1])), x)


def test_instance_norm_plus_of_few_bits_goes_by_operations_to_the_same_numbers():
    norm, level = ConditionalInstanceNormPlus(4, 2), torch.tensor([0, 1])
    x = 3 * _image(2, 4, 6, 6) - 1
    for elu in (False, True):
        few = norm(x.bfloat16(), level, elu=elu)
        assert few.dtype == torch.bfloat16
        torch.testing.assert_close(few.float(), norm(x, level, elu=elu), atol=0.05, rtol=0.02)


def test_first_scales_of_the_norm_are_near_one_and_its_shifts_zero():
    """As released: gamma and alpha from N(1, 0.02^2), beta 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        table = ConditionalInstanceNormPlus(64, 50).table.detach()
    scales, shifts = table[:, :128], table[:, 128:]
    assert float(scales.mean()) == pytest.approx(1, abs=0.001)
    assert float(scales.std()) == pytest.approx(0.02, rel=0.05)
    assert not shifts.any()


def test_no_norm_is_the_identity_unless_an_elu_is_asked_for():
    x = _image(1, 2, 3, 3) - 0.5
    assert torch.equal(NoNorm()(x, torch.tensor([0])), x)
    assert torch.equal(NoNorm()(x, torch.tensor([0]), elu=True), nn.functional.elu(x))

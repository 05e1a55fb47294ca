"""The oracle against the log-density that it differentiates, and against its own chunks."""

import pytest
import torch
from torch import Tensor

from ncsn.maths.exact_score import (
    DataScore,
    _is_float32_enough,
    point_values,
    smoothed_data_score,
)
from ncsn.maths.ladder import geometric_sigmas
from ncsn.maths.sketch import sketched

SIGMAS = geometric_sigmas(1.0, 0.01, 10)
WIDE = geometric_sigmas(50.0, 0.01, 6)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 60, size: int = 8) -> Tensor:
    """uint8 images with two groups of near-duplicates, one grey value apart."""
    points = torch.randint(1, 255, (count, 1, size, size), generator=generator(1))
    points[1] = points[0]
    points[1, 0, 0, 0] += 1
    points[3] = points[2]
    return points.to(torch.uint8)


def autograd_score(x: Tensor, sigma: float, values: Tensor) -> Tensor:
    """float64 gradient of the log-density written out point by point, distances by subtraction."""
    x = x.double().detach().requires_grad_()
    square = (x[:, None] - values.double()[None]).flatten(2).square().sum(2)
    log_density = (-square / (2 * sigma**2)).logsumexp(1)
    return torch.autograd.grad(log_density.sum(), x)[0]


def near(points: Tensor, sigma: float) -> Tensor:
    """Float32 states of a chain: noised points, one between two near-duplicates, one far."""
    values = points.double() / 255
    z = torch.randn(values[:8].shape, generator=generator(2), dtype=torch.float64)
    states = values[:8] + sigma * z
    states[0] = (values[0] + values[1]) / 2 + sigma * z[0]
    states[7] = 0.5 + 3 * z[7]
    return states.float()


@pytest.mark.parametrize("sigma", [*SIGMAS.tolist(), *WIDE.tolist()])
def test_score_is_the_gradient_of_the_log_density_at_every_level(sigma: float) -> None:
    points = images()
    x = near(points, sigma)
    exact = autograd_score(x, sigma, points.double() / 255)
    score = smoothed_data_score(x, sigma, points)
    torch.testing.assert_close(score, exact.float(), rtol=1e-6, atol=1e-6 / sigma)


def test_float32_distances_would_blur_close_points() -> None:
    # Why the oracle computes in float64: the plain float32 expansion of ||x - y||^2 on CIFAR-sized
    # images misjudges which of two points one grey value apart x belongs to.
    sigma, size = 0.001, 3072
    points = torch.randint(100, 255, (2, size), generator=generator(3)).to(torch.uint8)
    points[1] = points[0]
    points[1, 0] -= 1
    values = points.double() / 255
    x = values.mean(0, keepdim=True).float()
    y = values.float()
    square = x.square().sum(1, keepdim=True) - 2 * x @ y.T + y.square().sum(1)
    blurred = ((-square / (2 * sigma**2)).softmax(1) @ y - x) / sigma**2
    exact = autograd_score(x, sigma, values).float()
    ours = smoothed_data_score(x, sigma, points)
    assert (ours - exact).abs().max() < 1e-4 / sigma
    assert (blurred - exact).abs().max() > 0.1 / sigma


@pytest.mark.parametrize("chunk_size", [1, 7, 60, 1000])
def test_chunk_size_decides_nothing(chunk_size: int) -> None:
    points, sigma = images(), SIGMAS[torch.arange(8)]
    x = near(points, 0.1).double()
    whole = smoothed_data_score(x, sigma, points, chunk_size=60)
    parts = smoothed_data_score(x, sigma, points, chunk_size=chunk_size)
    torch.testing.assert_close(parts, whole, rtol=1e-11, atol=1e-10)


def test_each_sample_has_its_own_level() -> None:
    points = images()
    x, level = near(points, 0.1), torch.arange(8)
    together = DataScore(points, SIGMAS)(x, level)
    alone = [smoothed_data_score(x[[i]], float(SIGMAS[i]), points) for i in range(8)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-6, atol=1e-5)
    assert together.dtype == x.dtype and together.shape == x.shape


def test_dequantised_points_are_the_centres_of_their_intervals() -> None:
    points = images()
    x = near(points, 0.1)
    centres = (points.double() + 0.5) / 256
    torch.testing.assert_close(
        smoothed_data_score(x.double(), 0.1, points, dequantised=True),
        smoothed_data_score(x.double(), 0.1, centres),
        rtol=1e-10,
        atol=1e-9,
    )
    with pytest.raises(ValueError, match="dequantised"):
        smoothed_data_score(x, 0.1, centres, dequantised=True)


def long_images() -> tuple[Tensor, Tensor]:
    """Images of 32x32 in pairs of neighbours, and states half way between the two of a pair."""
    draw = generator(4)
    first = torch.randint(20, 236, (200, 1, 32, 32), generator=draw)
    second = first + torch.randint(-9, 10, first.shape, generator=draw)
    between = (first[:20] + second[:20]).double() / 510
    return torch.cat([first, second]).to(torch.uint8), between


@pytest.mark.parametrize("sigma", [50.0, 1.0, 0.3, 0.1, 0.03, 0.01])
@pytest.mark.parametrize("dequantised", [False, True])
def test_long_images_have_the_exact_score_at_every_level(sigma: float, dequantised: bool) -> None:
    points, between = long_images()
    x = (between + sigma * torch.randn(between.shape, generator=generator(5))).float()
    score = DataScore(points, torch.tensor([sigma]), dequantised=dequantised)(
        x, torch.zeros(20).int()
    )
    exact = smoothed_data_score(x.double(), sigma, points, dequantised=dequantised)
    error = (score - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)
    assert error.max() < 2e-4


def test_float32_is_for_large_sigma_and_full_products_alone() -> None:
    points, between = long_images()
    rows = points.flatten(1)
    sketch, x = sketched(rows), 255 * between.flatten(1)
    is_enough = [
        _is_float32_enough(x, torch.full((20, 1), 255.0 * sigma), sketch) for sigma in (1.0, 0.01)
    ]
    assert is_enough == [True, False]
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")  # TensorFloat-32 on a GPU
    try:
        assert not _is_float32_enough(x, torch.full((20, 1), 255.0), sketch)
    finally:
        torch.set_float32_matmul_precision(before)


def test_axes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(64,\) and \(1, 8, 8\)"):
        smoothed_data_score(torch.zeros(2, 64), 0.1, images())


def test_one_point_has_the_score_of_a_gaussian() -> None:
    point = torch.full((1, 3), 0.25, dtype=torch.float64)
    x = torch.randn(5, 3, generator=generator(), dtype=torch.float64)
    torch.testing.assert_close(smoothed_data_score(x, 0.3, point), (point - x) / 0.09)


def test_points_stand_for_their_values() -> None:
    k = torch.tensor([[0, 1, 255]], dtype=torch.uint8)
    as_trained = (k.double() + 0.5) / 256
    torch.testing.assert_close(point_values(k), k.double() / 255)
    torch.testing.assert_close(point_values(k, dequantised=True), as_trained)
    torch.testing.assert_close(point_values(as_trained), as_trained)
    assert point_values(as_trained.float()).dtype == torch.float64


def test_an_exact_score_saves_its_points_and_nothing_else() -> None:
    assert list(DataScore(images(), SIGMAS).state_dict()) == ["points"]

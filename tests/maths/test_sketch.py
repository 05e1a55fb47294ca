"""Short vectors: they never lengthen a distance, and leave out only what cannot matter."""

import pytest
import torch
from torch import Tensor

from ncsn.maths.exact_score import smoothed_data_score
from ncsn.maths.sketch import Sketch, points_within, sketched


def images(count: int = 400, size: int = 12) -> Tensor:
    """Smooth uint8 images in groups of near-duplicates, (N, 1, size, size)."""
    draw = torch.Generator().manual_seed(0)
    coarse = torch.rand(count // 4, 1, 3, 3, generator=draw)
    smooth = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")
    noise = torch.randint(-3, 4, (count, 1, size, size), generator=draw)
    return (255 * smooth.repeat(4, 1, 1, 1) + noise).clamp(0, 255).to(torch.uint8)


def random_basis(points: Tensor, num_directions: int) -> Sketch:
    """The sketch by directions that know nothing of the points."""
    rows = points.flatten(1).double()
    draw = torch.Generator().manual_seed(1)
    start = torch.randn(rows.shape[1], num_directions, generator=draw, dtype=torch.float64)
    basis = torch.linalg.qr(start).Q
    inside = rows @ basis
    rest = (rows.square().sum(1) - inside.square().sum(1)).clamp_min(0).sqrt()
    vectors, half_squares = torch.cat([inside, rest[:, None]], 1), 0.5 * rows.square().sum(1)
    return Sketch(basis, vectors, half_squares, torch.zeros_like(rows[0]), float(rows.norm()))


@pytest.mark.parametrize("num_directions", [1, 8, 100])
def test_no_distance_is_lengthened(num_directions: int) -> None:
    rows = images().flatten(1)
    sketch = sketched(rows, num_directions)
    short, true = (
        torch.cdist(v, v, compute_mode="donot_use_mm_for_euclid_dist")
        for v in (sketch.vectors[:50], rows[:50].double())
    )
    assert bool((short <= true + 1e-9 * true.max()).all())
    torch.testing.assert_close(sketch.half_squares, 0.5 * rows.double().square().sum(1))


@pytest.mark.parametrize("sigma", [0.003, 0.01, 0.05, 0.2, 1.0, 20.0])
def test_the_score_is_the_same_whatever_the_directions(sigma: float) -> None:
    points, draw = images(), torch.Generator().manual_seed(2)
    x = points[::40].double() / 255
    x = x + sigma * torch.randn(x.shape, generator=draw, dtype=torch.float64)
    x[0] = (points[0].double() + points[100].double()) / 510  # between two near-duplicates
    x[1] = 5.0  # far from all
    levels = torch.full((len(x),), sigma)
    levels[2:4] *= 3  # each image has its own level
    whole = smoothed_data_score(x, levels, points)
    for sketch in (sketched(points.flatten(1), 16), random_basis(points, 4)):
        found = smoothed_data_score(x, levels, points, sketch=sketch)
        torch.testing.assert_close(found, whole, rtol=1e-10, atol=1e-10 / sigma)


def test_at_small_sigma_few_points_are_left() -> None:
    points = images().flatten(1)
    sketch, some = sketched(points, 16), points[:5].double() + 0.5
    left = points_within(some, torch.full((5, 1), 60 * (255 * 0.002) ** 2), points, sketch)
    assert 5 <= len(left) <= 20
    everything = points_within(some, torch.full((5, 1), 1e9), points, sketch)
    assert everything is points


def test_rows_that_are_looked_at_in_turn_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    points = images().flatten(1)
    sketch, some = sketched(points, 16), points[:50].double()
    excess = torch.full((50, 1), 60 * (255 * 0.02) ** 2)
    whole = points_within(some, excess, points, sketch)
    monkeypatch.setattr("ncsn.maths.sketch._MOST", 7 * len(points))
    assert torch.equal(points_within(some, excess, points, sketch), whole)

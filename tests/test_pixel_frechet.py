"""The distance for pruning is the evaluation's, and ranks images as it does."""

import numpy as np
import pytest
import torch
from torch import Tensor

from ncsn import metrics, pixel_frechet
from ncsn.errors import UserError
from ncsn.pixel_frechet import frechet_distance, pixel_statistics
from ncsn.previews import preview_distance


def images(count: int, seed: int, low: int = 0) -> Tensor:
    draws = torch.Generator().manual_seed(seed)
    return torch.randint(low, 256, (count, 3, 4, 4), generator=draws, dtype=torch.uint8)


@pytest.mark.parametrize("count", [200, 20])  # fewer images than pixels: a singular covariance
def test_it_is_the_distance_of_the_evaluation(count: int) -> None:
    first, second = images(count, 1), images(150, 2, low=40)
    ours = frechet_distance(pixel_statistics(first), pixel_statistics(second))
    parts = [
        metrics.pixel_statistics(np.ascontiguousarray(x.permute(0, 2, 3, 1).numpy()))
        for x in (first, second)
    ]
    assert ours == pytest.approx(metrics.frechet_distance(*parts[0], *parts[1]), abs=1e-6)


def test_images_are_at_no_distance_from_themselves() -> None:
    same = pixel_statistics(images(100, 1))
    assert frechet_distance(same, same) == pytest.approx(0, abs=1e-9)


def test_images_of_many_pixels_are_refused() -> None:
    with pytest.raises(UserError, match="train.frechet_samples.*12288"):
        pixel_statistics(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))


def test_the_score_of_the_images_is_nearer_than_that_of_others() -> None:
    real = images(300, 3, low=200)
    sigmas = torch.tensor([0.5, 0.2, 0.1], dtype=torch.float64)

    def score_of(centre: float) -> float:  # of a Gaussian around one colour
        def score(x: Tensor, level: Tensor) -> Tensor:
            return (centre - x) / sigmas.float()[level].view(-1, 1, 1, 1) ** 2

        return preview_distance(score, sigmas, real, 20, 1)

    assert score_of(0.9) < score_of(0.5) < score_of(0.1)
    assert score_of(0.9) == score_of(0.9)


def test_as_many_pixels_as_the_limit_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixel_frechet, "MAX_PIXELS", 48)
    assert pixel_statistics(images(5, 1)).mean.shape == (48,)
    monkeypatch.setattr(pixel_frechet, "MAX_PIXELS", 47)
    with pytest.raises(UserError, match="48 numbers, more than the 47"):
        pixel_statistics(images(5, 1))

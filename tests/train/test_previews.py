"""Previews: their distance ranks networks for pruning."""

import torch
from torch import Tensor

from ncsn.train.previews import preview_distance


def images(count: int, seed: int, low: int = 0) -> Tensor:
    draws = torch.Generator().manual_seed(seed)
    return torch.randint(low, 256, (count, 3, 4, 4), generator=draws, dtype=torch.uint8)


def test_the_score_of_the_images_is_nearer_than_that_of_others() -> None:
    real = images(300, 3, low=200)
    sigmas = torch.tensor([0.5, 0.2, 0.1], dtype=torch.float64)

    def score_of(centre: float) -> float:  # of a Gaussian around one colour
        def score(x: Tensor, level: Tensor) -> Tensor:
            return (centre - x) / sigmas.float()[level].view(-1, 1, 1, 1) ** 2

        return preview_distance(score, sigmas, real, 20, 1)

    assert score_of(0.9) < score_of(0.5) < score_of(0.1)
    assert score_of(0.9) == score_of(0.9)

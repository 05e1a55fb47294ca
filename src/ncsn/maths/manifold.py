"""The share of points inside a sample's manifold (Kynkaanniemi et al. 2019), and its error.

A manifold is the union of balls around the sample's points that reach to their k-th neighbour.
Precision is the share of generated points inside the manifold of the real ones, recall the share
of real points inside that of the generated ones.

Given the manifold, the number of points inside is binomial. The variance that the manifold adds
comes from random halves of its centres: leaving few centres out moves few balls, each by a jump,
and such a jackknife gave bars up to twice too long; with halves they are up to 1.3 times too long.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

_ROWS = 512  # of a distance matrix at once


class Share(NamedTuple):
    """A share of points, with its variance by what is drawn anew."""

    value: float
    of_points: float
    of_centres: float


def share_inside(
    points: Tensor, centres: Tensor, neighbours: int, halves: int, generator: torch.Generator
) -> Share:
    """Returns the share of points inside the manifold of `centres`.

    Args:
        points: (N, D).
        centres: (M, D).
        neighbours: k, less than M / 2.
        halves: number of random halves of the centres, at least 2.
        generator: names the halves.
    """
    count = len(centres)
    left_out = [torch.randperm(count, generator=generator)[: count // 2] for _ in range(halves)]
    inside = _inside(points, centres, _radii(centres, neighbours, left_out))
    share = float(inside[:, 0].mean())
    scale = (count - count // 2) / (count // 2)  # (M - d) / d of the delete-d jackknife
    of_centres = scale * float(inside[:, 1:].mean(0).var())
    return Share(share, share * (1 - share) / (len(points) - 1), of_centres)


def ball_radii(centres: Tensor, neighbours: int) -> Tensor:
    """Returns the distance of each centre to its k-th neighbour, (M,) float64."""
    return _radii(centres, neighbours, [])[0]


def inside_share(points: Tensor, centres: Tensor, radii: Tensor) -> float:
    """Returns the share of points (N, D) inside the balls of `radii` (M,) around `centres`."""
    return float(_inside(points, centres, radii[None]).mean())


def _radii(centres: Tensor, neighbours: int, left_out: Sequence[Tensor]) -> Tensor:
    """Radius of each ball, (1 + S, M): of all centres, then without each half; -1 is no ball."""
    count = len(centres)
    kept = torch.ones(1 + len(left_out), count, dtype=torch.bool)
    for row, gone in enumerate(left_out, 1):
        kept[row, gone] = False
    radii = torch.empty(kept.shape, dtype=torch.float64)
    # Of so many nearest ones a random half has its k-th: 8 standard deviations are to spare.
    num_near = min(count - 1, 4 * neighbours + 64) if left_out else neighbours
    for start, distances in _distances(centres, centres):
        rows = torch.arange(len(distances))
        distances[rows, start + rows] = torch.inf
        near, places = distances.topk(num_near, largest=False)
        for row, is_kept in enumerate(kept):
            rank = (is_kept[places].cumsum(1) < neighbours).sum(1).clamp_max(num_near - 1)
            radii[row, start : start + len(distances)] = near[rows, rank]
    return radii.masked_fill(~kept, -1.0)


def _inside(points: Tensor, centres: Tensor, radii: Tensor) -> Tensor:
    """Ones where a point is in a ball, (N, 1 + S) float64, by the rows of `radii`."""
    found = [
        torch.stack([(distances <= radius).any(1) for radius in radii], 1)
        for _, distances in _distances(points, centres)
    ]
    return torch.cat(found).double()


def _distances(points: Tensor, centres: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Euclidean distances in blocks of rows, float64, with the number of the first row."""
    others = centres.double()
    for start in range(0, len(points), _ROWS):
        yield start, torch.cdist(points[start : start + _ROWS].double(), others)

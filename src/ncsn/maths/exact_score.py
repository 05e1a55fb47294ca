"""The exact score of a training set smoothed by N(0, sigma^2 I): a score without training.

q_sigma is a mixture of one Gaussian for each training point, so its score is (E[y|x] - x) /
sigma^2 with softmax weights over the points y. It stands in for a trained network wherever only
the error of the sampler is wanted; the least denoising loss that follows from it is in
`least_loss`.
"""

import torch
from torch import Tensor, nn

from ncsn.maths.sketch import NUM_DIRECTIONS, Sketch, points_within, sketched

# A chunk whose largest weight is below exp(-60) of the best one so far adds less than 1e-20 even
# with a million points in it.
_NEGLIGIBLE = 60.0
_LONG = 8 * NUM_DIRECTIONS  # values of an image from which a look at its sketch pays
_ROUNDING = {"highest": 2.0**-24, "high": 2.0**-11, "medium": 2.0**-8}  # of products in float32
_MOST_ERROR = 2e-3  # of a point's log weight, up to which it may be computed in float32


def smoothed_data_score(
    x: Tensor,
    sigma: Tensor | float,
    points: Tensor,
    *,
    dequantised: bool = False,
    chunk_size: int = 4096,
    sketch: Sketch | None = None,
) -> Tensor:
    """grad_x log q_sigma(x), where q_sigma is the mean over points y of N(y, sigma^2 I).

    The points stay as they are (uint8 images of 50,000 x 3072 bytes, say) and are read in chunks,
    over which the softmax is carried with a running maximum. Distances are computed in float64:
    their rounding error is multiplied by 1 / (2 sigma^2), which is 5000 at sigma = 0.01, and
    float32 would then blur the weights of close points. With a sketch and float32 x, float32
    serves where this does not matter: from sigma = 0.2 on for 10,000 images of CIFAR-10.

    Args:
        x: where, in the units of pixel values in [0, 1], shape (B, ...).
        sigma: noise level in the units of x, a number or shape (B,).
        points: training points, shape (N, ...) with the data axes of x; uint8, or floating.
        dequantised: as in `point_values`.
        chunk_size: points that are converted to a floating type at a time; no effect on the
            result beyond rounding.
        sketch: of the points as rows, to leave out at once those that are too far away; no effect
            on the result beyond rounding.

    Returns:
        Scores, shape of x and its dtype.

    Raises:
        ValueError: data axes of x and points differ, or `dequantised` with floating points.
    """
    if x.shape[1:] != points.shape[1:]:
        raise ValueError(
            f"data axes of x and points must agree, got {tuple(x.shape[1:])} "
            f"and {tuple(points.shape[1:])}"
        )
    scale, shift = _units(points, dequantised)
    level = torch.as_tensor(sigma, dtype=torch.float64, device=x.device).expand(len(x))[:, None]
    at = x.flatten(1).double() * scale - shift
    rows = points.flatten(1)
    units = level * scale  # sigma in the units of the points
    centre = None
    if sketch is not None:
        rows = points_within(at, _NEGLIGIBLE * units.square(), rows, sketch)
        if x.dtype == torch.float32 and _is_float32_enough(at, units, sketch):
            centre = sketch.centre
    mean = _posterior_mean(at, units, rows, chunk_size, centre)
    score = (mean - at) / (scale * level.square())
    return score.view_as(x).to(x.dtype)


class DataScore(nn.Module):
    """The exact score of training images in the form of a network, to be sampled and saved.

    The state dict holds the points and nothing else; `sigmas` is the ladder, shape (L,). Points
    and `dequantised` are those of `smoothed_data_score`.
    """

    points: Tensor
    sigmas: Tensor

    def __init__(self, points: Tensor, sigmas: Tensor, *, dequantised: bool = False):
        super().__init__()
        self.dequantised = dequantised
        self.register_buffer("points", points)
        self.register_buffer("sigmas", sigmas, persistent=False)
        self._sketch: Sketch | None = None  # made at the first score, where the points then lie

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Scores at x (B, C, H, W); level is an index into the ladder or a sigma, shape (B,)."""
        sigma = level if level.is_floating_point() else self.sigmas[level]
        if self._sketch is None and x[0].numel() >= _LONG:
            self._sketch = sketched(self.points.flatten(1))
        dequantised, sketch = self.dequantised, self._sketch
        return smoothed_data_score(x, sigma, self.points, dequantised=dequantised, sketch=sketch)


def point_values(points: Tensor, *, dequantised: bool = False) -> Tensor:
    """The values that points stand for, float64, of the shape of `points`.

    Integer points k stand for the values k / 255. With `dequantised` they stand for (k + 0.5) /
    256, the centre of the interval from which uniform dequantisation draws (k + u) / 256; its
    variance 1 / (12 * 256^2), 1.3% of sigma^2 at sigma = 0.01, is left out. Floating points are
    taken as they are.

    Raises:
        ValueError: `dequantised` with floating points.
    """
    scale, shift = _units(points, dequantised)
    return (points.double() + shift) / scale


def _units(points: Tensor, dequantised: bool) -> tuple[float, float]:
    """(scale, shift) with value = (point + shift) / scale.

    x is brought into the units of the points, so that integer points are converted exactly.
    """
    if points.is_floating_point():
        if dequantised:
            raise ValueError("dequantised: points must be integers, got floating ones")
        return 1.0, 0.0
    return (256.0, 0.5) if dequantised else (255.0, 0.0)


def _is_float32_enough(x: Tensor, sigma: Tensor, sketch: Sketch) -> bool:
    """Whether rounding to float32 leaves the weights of the points alone, for all x (B, D).

    The rounding error of a product of vectors is about that of one number of its size.
    """
    rounding = _ROUNDING[torch.get_float32_matmul_precision()]
    length = torch.linalg.vector_norm(x - sketch.centre, dim=1, keepdim=True)
    error = rounding * sketch.reach * (length + 0.5 * sketch.reach) / sigma.square()
    return bool((error <= _MOST_ERROR).all())


def _posterior_mean(
    x: Tensor, sigma: Tensor, points: Tensor, chunk_size: int, centre: Tensor | None
) -> Tensor:
    """E[y | x] over the points (N, D) for x (B, D), sigma (B, 1), all float64 but the points.

    With a centre (D,) the work is done in float32 on differences from it, which are short.
    ||x||^2 is the same for all points and drops out of the softmax.
    """
    dtype = torch.float64 if centre is None else torch.float32
    origin = torch.zeros_like(x[0]) if centre is None else centre
    x, variance = (x - origin).to(dtype), sigma.square().to(dtype)
    peak = torch.full_like(variance, -torch.inf)
    total, mean = torch.zeros_like(variance), torch.zeros_like(x)
    for chunk in points.split(chunk_size):
        y = chunk.to(dtype)
        if centre is not None:
            y -= centre.to(dtype)
        logits = (x @ y.T - 0.5 * y.square().sum(1)) / variance
        chunk_peak = logits.amax(1, keepdim=True)
        # Rows whose chunk adds nothing are skipped: at small sigma almost all of them.
        rows = (chunk_peak > peak - _NEGLIGIBLE).squeeze(1).nonzero().squeeze(1)
        new_peak = torch.maximum(peak[rows], chunk_peak[rows])
        shrink = (peak[rows] - new_peak).exp()
        below = logits[rows] - new_peak
        weight = below.exp().where(below > -_NEGLIGIBLE, 0)  # in float32 those would be subnormal
        total[rows] = total[rows] * shrink + weight.sum(1, keepdim=True)
        used = weight.any(0)  # few, at small sigma
        if 4 * used.sum() < len(y):
            weight, y = weight[:, used], y[used]
        mean[rows] = mean[rows] * shrink + weight @ y
        peak[rows] = new_peak
    return origin + mean / total

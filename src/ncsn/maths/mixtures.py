"""Gaussian mixtures whose score is known exactly at any noise level.

They are the data of the toy studies and the ground truth of the tests of objectives and samplers.
Adding N(0, sigma^2 I) to a mixture of std s gives the same mixture of std sqrt(s^2 + sigma^2).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class GaussianMixture:
    """sum_k weights[k] N(means[k], std^2 I).

    Attributes:
        weights: shape (K,), positive, summing to one.
        means: shape (K, D).
        std: standard deviation of every component, in the units of x.
    """

    weights: Tensor
    means: Tensor
    std: float = 1.0

    def __post_init__(self) -> None:
        if self.weights.shape != self.means.shape[:1] or self.means.dim() != 2:
            shapes = f"{tuple(self.weights.shape)} and {tuple(self.means.shape)}"
            raise ValueError(f"weights must be (K,) and means (K, D), got {shapes}")
        total = float(self.weights.sum())
        if not (self.weights > 0).all() or abs(total - 1) > 1e-5:
            raise ValueError(f"weights must be positive and sum to 1, got {self.weights.tolist()}")
        if not self.std > 0:
            raise ValueError(f"std must be positive, got {self.std}")

    def log_prob(self, x: Tensor, sigma: Tensor | float = 0.0) -> Tensor:
        """log q_sigma(x), shape (B,), of the mixture smoothed by N(0, sigma^2 I); x is (B, D).

        `sigma` is a number or one for each sample, shape (B,).
        """
        return self._joint(x, self._variance(x, sigma)).logsumexp(0)

    def responsibilities(self, x: Tensor, sigma: Tensor | float = 0.0) -> Tensor:
        """Posterior probabilities of the components, shape (B, K), for x (B, D) from q_sigma."""
        return self._joint(x, self._variance(x, sigma)).softmax(0).T

    def score(self, x: Tensor, sigma: Tensor | float = 0.0) -> Tensor:
        """grad_x log q_sigma(x), shape (B, D), of the mixture smoothed by N(0, sigma^2 I)."""
        variance = self._variance(x, sigma)
        mean = self._joint(x, variance).softmax(0).T @ self.means.to(x)
        return (mean - x) / variance[:, None]

    def sample(self, num_samples: int, generator: torch.Generator) -> Tensor:
        """Draws (num_samples, D) points: one uniform and D normal numbers each."""
        dtype, device = self.means.dtype, self.means.device
        u = torch.rand(num_samples, generator=generator, dtype=dtype, device=device)
        component = torch.searchsorted(self.weights.cumsum(0)[:-1].contiguous(), u, right=True)
        shape = (num_samples, self.means.shape[1])
        z = torch.randn(shape, generator=generator, dtype=dtype, device=device)
        return self.means[component] + self.std * z

    def _variance(self, x: Tensor, sigma: Tensor | float) -> Tensor:
        """Variance of a smoothed component, shape (B,) or (1,)."""
        return self.std**2 + torch.as_tensor(sigma, dtype=x.dtype, device=x.device).view(-1) ** 2

    def _joint(self, x: Tensor, variance: Tensor) -> Tensor:
        """log of weight times density, (K, B): softmax over the first axis is the fast one."""
        gap = x.T[None] - self.means.to(x)[:, :, None]
        normaliser = 0.5 * x.shape[1] * (math.log(2 * math.pi) + variance.log())
        weights = self.weights.to(x).log()[:, None]
        return weights - gap.square().sum(1) / (2 * variance) - normaliser


def two_mode_mixture() -> GaussianMixture:
    """The toy density of Song & Ermon 2019 (Sec. 3.2): 1/5 N((-5,-5), I) + 4/5 N((5,5), I)."""
    return GaussianMixture(torch.tensor([0.2, 0.8]), torch.tensor([[-5.0, -5.0], [5.0, 5.0]]))

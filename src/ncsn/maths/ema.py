"""Averages of a network's weights over its training, which sample in place of the last weights.

An average moves in every update, w <- decay * w + (1 - decay) * parameters; its profile says by
which decay in which update.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

Profile = Callable[[int], float]  # the decay in update n, n from 1
FLAT_LENGTH = math.sqrt(1 / 12)  # relative standard deviation of the plain mean of all steps
_HALVINGS = 100


def exponential_profile(decay: float) -> Profile:
    """Returns the exponential moving average of NCSNv2 (arXiv 2006.09011, Technique 5).

    A warm-up caps the decay at (1 + n) / (10 + n) in update n, so that the random start does not
    weigh in a short training; decay 0 keeps a plain copy.
    """
    return lambda n: min(decay, (1 + n) / (10 + n))


def power_profile(length: float) -> Profile:
    """Returns the power function average of Karras et al. 2023 (arXiv 2312.02696, Eq. 4).

    Its decay in update n is (1 - 1/n)^(gamma + 1), so that after n updates the weights of update k
    count (k^(gamma + 1) - (k - 1)^(gamma + 1)) / n^(gamma + 1): a share of the training, however
    long it is, and nothing of the random start.

    Args:
        length: standard deviation of that distribution over updates, relative to their number;
            above 0 and below that of a plain mean, `FLAT_LENGTH`.
    """
    gamma = power_of_length(length)
    return lambda n: (1 - 1 / n) ** (gamma + 1)


def power_of_length(length: float) -> float:
    """Returns the gamma of an average whose relative standard deviation is `length`.

    It solves length = (gamma + 1)^(1/2) (gamma + 2)^(-1) (gamma + 3)^(-1/2) (Karras et al. 2023,
    Sec. 3.1), which falls as gamma grows.

    Raises:
        ValueError: unless 0 < length < sqrt(1/12).

    >>> round(power_of_length(0.05), 2), round(power_of_length(0.10), 2)
    (16.97, 6.94)
    """
    if not 0 < length < FLAT_LENGTH:
        raise ValueError(f"0 < length < {FLAT_LENGTH:.4f} must hold, got {length}")
    low, high = 0.0, 1 / length
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if math.sqrt((middle + 1) / (middle + 3)) / (middle + 2) > length:
            low = middle
        else:
            high = middle
    return low


class WeightAverage:
    """A running average of a network's parameters, which starts at the network's weights.

    Args:
        net: whose parameters are averaged.
        profile: the decay in each update.
    """

    def __init__(self, net: nn.Module, profile: Profile):
        self.profile = profile
        self.num_updates = 0
        self._names = [name for name, _ in net.named_parameters()]
        self._live: list[Tensor] = list(net.parameters())
        self._average: list[Tensor] = [parameter.detach().clone() for parameter in self._live]

    @torch.no_grad()
    def update(self) -> None:
        """Moves the average towards the network's present weights."""
        self.num_updates += 1
        torch._foreach_lerp_(self._average, self._live, 1 - self.profile(self.num_updates))

    def state_dict(self) -> dict[str, Tensor]:
        """Returns the averaged weights by parameter name; the tensors are shared."""
        return dict(zip(self._names, self._average, strict=True))

    def load(self, weights: Mapping[str, Tensor], num_updates: int) -> None:
        """Takes up a saved average where it stood after `num_updates` updates."""
        self.num_updates = num_updates
        for name, average in self.state_dict().items():
            average.copy_(weights[name])

"""Exponential moving average of weights (NCSNv2, arXiv 2006.09011, Technique 5)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class WeightAverage:
    """A running average of a network's parameters, w <- decay * w + (1 - decay) * parameters.

    The average starts at the network's weights. A warm-up caps the decay at (1 + n) / (10 + n) in
    update n, so that the random start does not weigh in a short training; decay 0 keeps a plain
    copy.
    """

    def __init__(self, net: nn.Module, decay: float):
        self.decay = decay
        self.num_updates = 0
        self._names = [name for name, _ in net.named_parameters()]
        self._live: list[Tensor] = list(net.parameters())
        self._average: list[Tensor] = [parameter.detach().clone() for parameter in self._live]

    @torch.no_grad()
    def update(self) -> None:
        """Moves the average towards the network's present weights."""
        self.num_updates += 1
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        torch._foreach_lerp_(self._average, self._live, 1 - decay)

    def state_dict(self) -> dict[str, Tensor]:
        """Returns the averaged weights by parameter name; the tensors are shared."""
        return dict(zip(self._names, self._average, strict=True))

    def load(self, weights: Mapping[str, Tensor], num_updates: int) -> None:
        """Takes up a saved average where it stood after `num_updates` updates."""
        self.num_updates = num_updates
        for name, average in self.state_dict().items():
            average.copy_(weights[name])

"""What a training is given, beside its params."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ncsn.maths.types import Objective


@dataclass(frozen=True)
class Task:
    """What is trained on what: all that the loop needs besides its params.

    `images` and `held_out` are uint8, shape (N, C, H, W), on the network's device; `sigmas` is the
    ladder of the training, or with a `sigma_range`, from which a continuous one draws, the ladder
    of its reports; `described` goes into the checkpoint as its params.
    """

    net: nn.Module
    objective: Objective
    images: Tensor
    held_out: Tensor
    sigmas: Tensor
    described: dict[str, dict[str, Any]]
    sigma_range: tuple[float, float] | None = None

"""What training and sampling cost: FLOPs by counting, and a forecast of the time they take.

A FLOP is one multiplication or addition; convolutions and matrix products are counted, what is
linear in the pixels is not. The counts depend on the network and the image size alone.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from ncsn.base.files import write_json
from ncsn.base.progress import duration, quantity

# Kernels are loaded and compiled in the first call, CUDA graphs captured in the second and third.
UNTYPICAL_CALLS = 3
WARM_UP_CALLS = 10
WARM_UP_SEC = 1.0


def forward_flops(net: nn.Module, image_shape: Sequence[int]) -> int:
    """Returns the FLOPs of one network evaluation of one image (C, H, W)."""
    x, level = _one_image(net, image_shape)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        net(x, level)
    return counter.get_total_flops()


def training_flops(net: nn.Module, image_shape: Sequence[int]) -> int:
    """Returns the FLOPs of a forward and a backward pass of one image (C, H, W).

    Gradients go nowhere: the network is as before.
    """
    x, level = _one_image(net, image_shape)
    parameters = [parameter for parameter in net.parameters() if parameter.requires_grad]
    if not parameters:  # an exact score
        return 0
    with torch.enable_grad(), FlopCounterMode(display=False) as counter:
        torch.autograd.grad(net(x, level).sum(), parameters)
    return counter.get_total_flops()


def write_training_cost(
    path: Path, flops: int, num_images: int, execution: Mapping[str, Any]
) -> None:
    """Writes what a training costs, and how it ran.

    Args:
        path: takes it, as JSON.
        flops: of the forward and backward pass of one image; 0 for an exact score.
        num_images: that the training sees.
        execution: as a checkpoint has it.
    """
    seen = num_images if flops else 0
    counts = {"flops_per_image": flops, "num_images": seen, "flops": flops * seen}
    write_json(path, {**counts, "execution": dict(execution)})


class Forecast:
    """One line on stderr, once, after a warm-up: FLOPs, the measured rate, the time to finish.

    Args:
        label: names the work.
        unit: what is counted, in the singular.
        total: units still to do.
        flops_per_unit: FLOPs of a unit; 0 says nothing at all.
        device: where the work runs.
    """

    def __init__(
        self, label: str, unit: str, total: int, flops_per_unit: int, device: torch.device
    ):
        self.label, self.unit, self.total, self.flops = label, unit, total, flops_per_unit
        self.device, self.calls, self.done, self.begin = device, 0, 0, 0.0
        self.said = flops_per_unit == 0

    def update(self, units: int) -> None:
        """Counts finished units; call it once a step."""
        if self.said:
            return
        self.calls += 1
        if self.calls <= UNTYPICAL_CALLS:
            self.total -= units
            if self.calls == UNTYPICAL_CALLS:
                self._wait()
                self.begin = time.perf_counter()
            return
        self.done += units
        if self.calls > WARM_UP_CALLS and time.perf_counter() - self.begin > WARM_UP_SEC:
            self._wait()
            tqdm.write(self._line(time.perf_counter() - self.begin), file=sys.stderr)
            self.said = True

    def _line(self, seconds: float) -> str:
        rate = self.done / seconds
        work = (
            f"{quantity(self.flops, 'FLOP')} per {self.unit}, "
            f"{quantity(self.flops * self.total, 'FLOP')} to do"
        )
        speed = f"{rate:,.4g} {self.unit}s/s ({quantity(self.flops * rate, 'FLOP/s')})"
        return f"{self.label}: {work}; {speed}; {duration((self.total - self.done) / rate)} to go"

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def _one_image(net: nn.Module, image_shape: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    device = next(chain(net.parameters(), net.buffers())).device
    return (
        torch.zeros(1, *image_shape, device=device),
        torch.zeros(1, dtype=torch.int64, device=device),
    )

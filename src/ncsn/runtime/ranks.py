"""Work of one stage on several devices: a process for each, and what they do together.

Every process ("rank") runs the whole script. A training cuts each batch among them and averages
the gradients; a drawing deals its blocks. The first rank alone writes, logs and goes on to what
is done once. Alone, all of this does nothing, and torch.distributed is not touched.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ncsn.base.errors import UserError
from ncsn.base.ranked import LAST_WORDS_SEC, is_rank, local_rank
from ncsn.config.params import BaseParams
from ncsn.runtime.device import build_device, device_type
from ncsn.runtime.launch import relaunch

Item = TypeVar("Item")
# The first rank validates and draws previews while the others wait. A rank that has died is seen
# by torchrun at once, so that only one that hangs is waited for so long.
_TIMEOUT = timedelta(hours=2)
_LOCAL_SIZE = "LOCAL_WORLD_SIZE"  # of torchrun: processes on this host


@dataclass(frozen=True)
class Ranks:
    """This process among those that do one piece of work: number `rank` of `size`.

    `device` is that of this process.
    """

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the rank that writes and tells."""
        return self.rank == 0

    def dealt(self, items: Sequence[Item]) -> list[Item]:
        """Returns this rank's share of items that are dealt one by one."""
        return list(items[self.rank :: self.size])

    def part(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Returns this rank's slice of each tensor's first axis; slices differ by one at most."""
        return tuple(tensor[self._slice(len(tensor))] for tensor in tensors)

    def mean_gradients(self, net: nn.Module, losses: Tensor, count: int) -> Tensor:
        """Makes the gradients of each rank's slice those of the whole batch, the same on each.

        Gradients and losses travel in one message. Slices weigh by their images, so that the
        mean is one process's up to the order of sums.

        Args:
            net: its gradients, of the mean over this rank's slice, are replaced.
            losses: of this rank's slice, shape (b,).
            count: images of the whole batch, B.

        Returns:
            The losses of the whole batch, shape (B,).
        """
        if self.size == 1:
            return losses
        gradients = [p.grad for p in net.parameters() if p.grad is not None]
        weight = len(losses) / count
        whole = losses.new_zeros(count)
        whole[self._slice(count)] = losses
        message = torch.cat([*(weight * gradient.flatten() for gradient in gradients), whole])
        with _all_alive():
            dist.all_reduce(message)
        *means, whole = message.split([*(gradient.numel() for gradient in gradients), count])
        for gradient, mean in zip(gradients, means, strict=True):
            gradient.copy_(mean.view_as(gradient))
        return whole

    def of_the_first(self, value: Item) -> Item:
        """Returns the first rank's value on all of them."""
        if self.size == 1:
            return value
        values = [value]
        with _all_alive():
            dist.broadcast_object_list(values, src=0, device=torch.device("cpu"))
        return values[0]

    def require_batch(self, size: int) -> None:
        """Raises a UserError where a batch of `size` leaves a rank without an image."""
        if size < self.size:
            raise UserError(
                f"train.batch_size (value {size}): must be at least the number of processes,"
                f" {self.size}; lower base.devices or raise train.batch_size (params.yaml)"
            )

    def require_same_step(self, step: int) -> None:
        """Raises a UserError where a rank would go on from another step than the first one."""
        first = self.of_the_first(step)
        if step != first:
            raise UserError(
                f"process {self.rank} goes on at step {step}, the first one at step {first}:"
                " paths.work (dvc.yaml) must be one folder for all hosts"
            )

    def wait(self) -> None:
        """Waits until all ranks are here."""
        if self.size > 1:
            with _all_alive():
                dist.all_reduce(torch.zeros(1))

    def only_first_goes_on(self) -> None:
        """Ends all ranks but the first, when all of them are here."""
        if self.size == 1:
            return
        self.wait()
        dist.destroy_process_group()
        if not self.is_first:
            raise SystemExit

    def _slice(self, count: int) -> slice:
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)


ALONE = Ranks(torch.device("cpu"))  # for work that does not ask for the device


def join(base: BaseParams, work: str | None = None) -> Ranks:
    """Returns this process among all; started alone with base.devices above 1, it starts them.

    Then it does not return: it ends as they do. Under torchrun, whatever base.devices says, the
    process joins those that torchrun has started.

    Args:
        base: the section base.
        work: as for `build_device`.

    Raises:
        UserError: this machine lacks the devices.
    """
    if not is_rank():
        if base.devices > 1:
            _check_devices(base)
            relaunch(base.devices)
        return Ranks(build_device(base, work))
    _share_threads()
    device = build_device(base, work, local_rank())
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=_TIMEOUT)
    return Ranks(device, dist.get_rank(), dist.get_world_size())


def _check_devices(base: BaseParams) -> None:
    present = torch.cuda.device_count()
    if device_type(base) == "cuda" and base.devices > present:
        raise UserError(
            f"params.yaml: base.devices (value {base.devices}): this machine has {present} CUDA"
            f" devices. Use {max(1, present)}, or set base.device to 'cpu'"
        )


def _share_threads() -> None:
    """Gives each process of a host its share of the threads; the user's OMP_NUM_THREADS wins."""
    if "OMP_NUM_THREADS" not in os.environ:
        on_this_host = int(os.environ.get(_LOCAL_SIZE, "1"))
        torch.set_num_threads(max(1, torch.get_num_threads() // on_this_host))


@contextlib.contextmanager
def _all_alive() -> Iterator[None]:
    """Makes a broken message a line, after time for torchrun to name the rank that has died."""
    try:
        yield
    except RuntimeError as error:
        time.sleep(LAST_WORDS_SEC)
        reason = str(error).splitlines()[0]
        raise UserError(
            f"the processes of this work have lost each other ({reason}); run the same command to"
            " go on"
        ) from None

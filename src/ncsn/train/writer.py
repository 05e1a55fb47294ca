"""Checkpoints of a training that goes on: copied on the device, written by a thread.

A large network's checkpoint is half a gigabyte. The training waits for neither the bus nor the
disk, and each file is whole or not there at all.
"""

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from ncsn.train.checkpoint import Checkpoint, save_checkpoint

THREAD = "checkpoint writer"
_CONTENTS = ("net", "ema", "optimizer", "window")


class CheckpointWriter:
    """Writes one checkpoint at a time to `path`, behind the training's back.

    As a context manager it ends when the last file is whole. An error of the thread, such as a
    full disk, comes up in the training at its next `check`, and no later than its end.
    """

    def __init__(self, path: Path):
        self.path = path
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._join()
        if kind is None:  # else the training's own error is the one to tell
            self.check()

    def write(self, checkpoint: Checkpoint) -> None:
        """Copies a checkpoint and begins to write it; waits for one that is still being written.

        Args:
            checkpoint: its tensors may change as soon as this returns.
        """
        self._join()
        self.check()
        copied, ready = snapshot(checkpoint), _event(checkpoint)
        self._thread = threading.Thread(target=self._write, args=(copied, ready), name=THREAD)
        self._thread.start()

    def check(self) -> None:
        """Raises what went wrong in the thread; costs nothing, so that each step can ask."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _write(self, copied: Checkpoint, ready: torch.cuda.Event | None) -> None:
        try:
            save_checkpoint(self.path, _on_host(copied, ready))
        except BaseException as error:  # whatever it is, the training is to hear of it
            self._error = error


def snapshot(checkpoint: Checkpoint) -> Checkpoint:
    """Returns a copy whose tensors are its own, on their device; where memory runs out, the CPU's.

    Two names of one tensor stay two names of one copy, so that the file has the same bytes.
    """
    try:
        return _mapped(checkpoint, torch.clone)
    except torch.OutOfMemoryError:
        pass
    torch.cuda.empty_cache()
    return _mapped(checkpoint, Tensor.cpu)


def _event(checkpoint: Checkpoint) -> torch.cuda.Event | None:
    """What another stream waits for: the copies are made. None on a CPU."""
    device = next(iter(checkpoint.net.values())).device
    if device.type != "cuda":
        return None
    event: torch.cuda.Event = torch.cuda.current_stream(device).record_event()
    return event


def _on_host(copied: Checkpoint, ready: torch.cuda.Event | None) -> Checkpoint:
    """The copy in the CPU's memory, by a stream of its own: the training's kernels go on."""
    device = next(iter(copied.net.values())).device
    if ready is None or device.type != "cuda":
        return copied
    with torch.cuda.stream(torch.cuda.Stream(device)):
        torch.cuda.current_stream(device).wait_event(ready)
        return _mapped(copied, Tensor.cpu)


def _mapped(checkpoint: Checkpoint, copy: Callable[[Tensor], Tensor]) -> Checkpoint:
    known: dict[int, Tensor] = {}

    def of(value: Any) -> Any:
        if isinstance(value, Tensor):
            if id(value) not in known:
                known[id(value)] = copy(value.detach())
            return known[id(value)]
        if isinstance(value, dict):
            return {key: of(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(of(item) for item in value)
        return value

    changes = {name: of(getattr(checkpoint, name)) for name in _CONTENTS}
    return dataclasses.replace(checkpoint, **changes)

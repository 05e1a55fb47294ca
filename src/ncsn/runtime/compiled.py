"""What of a score function is compiled, and how work goes on where that fails.

A compiler can fail at the first call, or later: the backward pass is compiled and captured when
the first gradient is asked for. Either way the function then runs as it is, after a notice.
"""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from ncsn.base.progress import notice
from ncsn.maths.types import ScoreFn


@runtime_checkable
class Compiled(Protocol):
    """A score function of which something is compiled."""

    @property
    def is_compiled(self) -> bool:
        """Whether the compiler has not failed yet."""

    def release(self) -> None:
        """Frees memory that compiled code keeps."""

    def give_up(self) -> None:
        """Runs the function as it is from now on."""


class CompiledScores:
    """A score function compiled, on a GPU with its kernels replayed as CUDA graphs.

    A score is valid until the next call. A batch smaller than the largest one so far is filled up
    with copies of its last image, since each size would be compiled and captured by itself.

    Args:
        score_fn: maps (x, level) to scores, each image by itself.
        device: where it runs.
    """

    def __init__(self, score_fn: ScoreFn, device: torch.device):
        mode = "reduce-overhead" if device.type == "cuda" else "default"
        self._plain = score_fn
        self._fast: ScoreFn | None = torch.compile(score_fn, mode=mode, dynamic=False)
        self._size = 0

    @property
    def is_compiled(self) -> bool:
        """Whether the compiler has not failed yet."""
        return self._fast is not None

    def __call__(self, x: Tensor, level: Tensor) -> Tensor:
        """Returns the scores of x (B, C, H, W) at level (B,), same shape as x."""
        if self._fast is None:
            return self._plain(x, level)
        self._size = max(self._size, len(x))
        try:
            torch.compiler.cudagraph_mark_step_begin()
            scores = self._fast(_filled_up(x, self._size), _filled_up(level, self._size))
            return scores if len(x) == self._size else scores[: len(x)]
        except Exception as error:  # compilers fail in many ways; a mistake of ours shows again
            fall_back(self, error)
        return self._plain(x, level)

    def release(self) -> None:
        """Frees the memory that captured graphs keep; the next call sets the size of a batch."""
        self._size = 0
        torch.compiler.reset()

    def give_up(self) -> None:
        """Runs the function as it is from now on."""
        self._fast = None
        self.release()


def fall_back(score_fn: ScoreFn, error: Exception) -> None:
    """Lets a compiled function run as it is from now on, where that may help.

    Args:
        score_fn: the function in whose call, or in whose backward pass, `error` came up.
        error: is raised again where the function was not compiled.

    Raises:
        torch.OutOfMemoryError: memory ran out, which smaller batches help against.
    """
    if is_out_of_memory(error) and not isinstance(error, torch.OutOfMemoryError):
        raise torch.OutOfMemoryError(str(error)) from error
    if isinstance(error, torch.OutOfMemoryError):
        raise error
    if not isinstance(score_fn, Compiled) or not is_compiled(score_fn):
        raise error
    notice(f"compilation failed ({_first_line(error)}); going on without it")
    score_fn.give_up()


def is_compiled(score_fn: ScoreFn) -> bool:
    """Returns whether something of a score function is compiled, and no compiler has failed."""
    return isinstance(score_fn, Compiled) and score_fn.is_compiled


def is_out_of_memory(error: BaseException) -> bool:
    """Returns whether a device's memory ran out, also where a compiler has wrapped the error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, torch.OutOfMemoryError):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _filled_up(tensor: Tensor, size: int) -> Tensor:
    """The first axis brought to `size` with copies of the last entry.

    Zeros will not do: a level of zero noise divides by zero, and so does its gradient.
    """
    missing = size - len(tensor)
    if missing == 0:
        return tensor
    return torch.cat([tensor, tensor[-1:].expand(missing, *tensor.shape[1:])])


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error) or 'no message').splitlines()[0]}"

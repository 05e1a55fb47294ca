"""Memory that runs out: the same work in smaller parts, with a notice, instead of an end.

Only torch.OutOfMemoryError counts, which GPUs raise. The results are those of the whole, up to the
order of sums. On a CPU parts of a training's batch go through the network side by side.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor, nn

from ncsn.base.errors import UserError
from ncsn.base.progress import notice
from ncsn.maths.types import Objective, ScoreFn
from ncsn.runtime.compiled import Compiled, fall_back, is_compiled

Result = TypeVar("Result")
_Images = tuple[Tensor, Tensor, Tensor]  # as an objective takes them: x, level, z
MAX_PARTS = 4  # each holds gradients of its own: 120 MB for the paper's network


def halving(
    call: Callable[[int], Result], size: int, what: str, score_fn: ScoreFn | None = None
) -> tuple[Result, int]:
    """Calls `call(size)` with ever smaller sizes until memory suffices.

    Args:
        call: must be repeatable; raises torch.OutOfMemoryError where `size` is too large.
        size: the first one tried.
        what: names the work in messages.
        score_fn: what `call` calls; the graphs of a compiled one are let go before a new try.

    Returns:
        The result and the size that it was had with.

    Raises:
        UserError: not even size 1 fits.
    """
    while True:
        try:
            return call(size), size
        except torch.OutOfMemoryError:
            if size == 1:
                raise UserError(
                    f"{what}: one image at a time does not fit into the device's memory; "
                    "set base.device (params.yaml) to 'cpu' or take a smaller network"
                ) from None
        size //= 2  # outside of `except`, whose traceback keeps tensors alive
        _free_memory(score_fn)
        notice(f"{what}: out of memory, going on with {size} images at once")


def in_parts(score_fn: ScoreFn, what: str) -> ScoreFn:
    """Returns `score_fn` for any batch: where memory runs out, in parts that fit from then on.

    The chain around it sees the same scores and draws the same noise.
    """
    limit: int | None = None

    def scores(x: Tensor, level: Tensor) -> Tensor:
        nonlocal limit

        def by(size: int) -> Tensor:
            if size >= len(x):
                return score_fn(x, level)
            pairs = zip(x.split(size), level.split(size), strict=True)
            return torch.cat([score_fn(*pair).clone() for pair in pairs])

        size = min(len(x), limit or len(x))
        result, fitting = halving(by, size, what, score_fn)
        if fitting < size:
            limit = fitting
        return result

    return scores


class Gradients:
    """Gradients of a batch's mean loss, in as many parts as memory asks for.

    Args:
        net: whose parameters receive them.
        keep_buffers: gradients stay where they are, filled with zeros. CUDA graphs ask for it:
            gradients that they make lie in memory that the next replay overwrites.
        num_threads: of a CPU. Up to MAX_PARTS of them have a part of the batch each, and wait
            for each other once per step instead of at the end of every operation.
    """

    def __init__(self, net: nn.Module, *, keep_buffers: bool = False, num_threads: int = 1):
        self.net, self.keep_buffers, self.size = net, keep_buffers, sys.maxsize
        self.num_parts = min(num_threads, MAX_PARTS)
        self.pool: ThreadPoolExecutor | None = None
        if self.num_parts > 1:
            threads = num_threads // self.num_parts
            start = torch.set_num_threads
            self.pool = ThreadPoolExecutor(self.num_parts, "gradients", start, (threads,))
        self.buffers: list[Tensor] = []
        for parameter in net.parameters() if keep_buffers else ():
            parameter.grad = torch.zeros_like(parameter)
            self.buffers.append(parameter.grad)

    def compute(
        self, objective: Objective, score_fn: ScoreFn, x: Tensor, level: Tensor, z: Tensor
    ) -> Tensor:
        """Returns the losses, shape (B,); the gradients of their mean lie in the parameters.

        Args:
            objective: maps (score_fn, x, level, z) to one loss per image.
            score_fn: the network.
            x: clean images, shape (B, C, H, W).
            level: noise levels, shape (B,).
            z: noise, shape (B, C, H, W).

        Raises:
            UserError: not even one image fits into memory.
        """
        if self.pool is not None:
            return self._side_by_side(self.pool, objective, score_fn, (x, level, z))

        def by(size: int) -> Tensor:
            self._clear()
            parts = zip(x.split(size), level.split(size), z.split(size), strict=True)
            return torch.cat([self._backward(objective(score_fn, *p), len(x)) for p in parts])

        def compiled_or_not(size: int) -> Tensor:
            try:
                return by(size)
            except Exception as error:  # the backward pass is compiled at its first call
                fall_back(score_fn, error)
            return by(size)

        size = min(self.size, len(x))
        losses, self.size = halving(compiled_or_not, size, "training", score_fn)
        return losses

    def _side_by_side(
        self,
        pool: ThreadPoolExecutor,
        objective: Objective,
        score_fn: ScoreFn,
        batch: _Images,
    ) -> Tensor:
        """Gradients are added in the order of the parts, whichever thread is the first."""
        size, parameters = len(batch[0]), list(self.net.parameters())

        def part(*images: Tensor) -> tuple[Tensor, list[Tensor]]:
            losses = objective(score_fn, *images)
            mean = losses.sum() / size
            return losses.detach(), list(
                torch.autograd.grad(mean, parameters, materialize_grads=True)
            )

        cut = [tensor.split(-(-size // self.num_parts)) for tensor in batch]
        compiled = is_compiled(score_fn)
        try:
            results = list(pool.map(part, *cut))
        except Exception as error:  # the backward pass is compiled at its first call
            if not compiled or is_compiled(score_fn):  # else another thread has fallen back
                fall_back(score_fn, error)
            results = list(pool.map(part, *cut))
        total = results[0][1]
        for _, gradients in results[1:]:
            torch._foreach_add_(total, gradients)
        for parameter, gradient in zip(parameters, total, strict=True):
            parameter.grad = gradient
        return torch.cat([losses for losses, _ in results])

    def _clear(self) -> None:
        if self.keep_buffers:
            torch._foreach_zero_(self.buffers)  # one kernel for many, where zero_grad takes each
        else:
            self.net.zero_grad(set_to_none=True)

    @staticmethod
    def _backward(losses: Tensor, batch_size: int) -> Tensor:
        (losses.sum() / batch_size).backward()
        return losses.detach()


def _free_memory(score_fn: ScoreFn | None) -> None:
    if isinstance(score_fn, Compiled):
        score_fn.release()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()

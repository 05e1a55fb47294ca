"""InstanceNorm++ with ELU compiled, for bf16 on a CPU.

By tensor operations it passes over the memory a dozen times, and in bf16 each of them converts
besides: that costs more than bf16 convolutions win.
"""

import functools
import threading

import torch
from torch import Tensor, nn

from ncsn.maths.nets.norm import ConditionalInstanceNormPlus, NormElu, norm_elu
from ncsn.maths.types import ScoreFn
from ncsn.runtime.compiled import fall_back

# torch's own limit is 8 variants of a function. Two shapes of images, with ELU and without, with
# gradients and without, in one thread and in several: that is 16, and 6 cascades have more shapes.
NORM_VARIANTS = 64


class CompiledNorms:
    """A network whose norms are compiled, for a CPU; all else runs operation by operation.

    To compile a whole network takes many minutes there, and its convolutions gain nothing by it.
    Several threads may call it at the same time.

    Args:
        net: whose norms are replaced.
        score_fn: calls `net`.
    """

    def __init__(self, net: nn.Module, score_fn: ScoreFn):
        self._score_fn, self._lock = score_fn, threading.Lock()
        self._norms = [m for m in net.modules() if isinstance(m, ConditionalInstanceNormPlus)]
        self.is_compiled = True
        self._set(compiled_norm())

    def __call__(self, x: Tensor, level: Tensor) -> Tensor:
        """Returns the scores of x (B, C, H, W) at level (B,), same shape as x."""
        if not self.is_compiled:
            return self._score_fn(x, level)
        try:
            return self._score_fn(x, level)
        except Exception as error:
            self.recover(error)
        return self._score_fn(x, level)

    def recover(self, error: Exception) -> None:
        """As `fall_back`, for several threads that fail at the same time."""
        with self._lock:
            if self.is_compiled:
                fall_back(self, error)

    def release(self) -> None:
        """Compiled norms keep no memory."""

    def give_up(self) -> None:
        """Runs the norms as they are from now on."""
        self.is_compiled = False
        self._set(norm_elu)

    def _set(self, operations: NormElu) -> None:
        for norm in self._norms:
            norm.operations = operations


@functools.cache
def compiled_norm(backend: str = "inductor") -> NormElu:
    """Returns `norm_elu` compiled: once for each image size, for batches of any size.

    Statistics are fp32 and what enters and leaves may be bf16, so that one pass over the memory
    does what else takes a dozen.
    """
    fast = torch.compile(norm_elu, backend=backend, dynamic=False)
    configured = threading.local()  # so are the values of torch.compiler.config

    def call(x: Tensor, rows: Tensor, tiny: float, elu: bool) -> Tensor:
        if not hasattr(configured, "limit"):
            configured.limit = torch.compiler.config.recompile_limit = NORM_VARIANTS
        for tensor in (x, rows):
            torch._dynamo.maybe_mark_dynamic(tensor, 0)
        y: Tensor = fast(x, rows, tiny, elu)
        return y

    return call

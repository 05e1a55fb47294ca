"""The device that params.yaml asks for, and how it multiplies fp32 numbers."""

import ctypes
import os
import sys

import torch

from ncsn.base.errors import UserError
from ncsn.config.params import BaseParams
from ncsn.runtime.compiler import keep_compiled_code

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def device_type(params: BaseParams) -> str:
    """Returns `cpu` or `cuda`: what base.device means on this machine."""
    if params.device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(params.device).type


def build_device(
    params: BaseParams, work: str | None = None, local: int | None = None
) -> torch.device:
    """Returns base.device; `auto` is the GPU where there is one.

    A GPU multiplies fp32 matrices and convolutions as TF32 from then on: 10 bits of each factor,
    sums in fp32. With base.deterministic it uses algorithms that give the same bits each time.
    CPUs are not concerned.

    Args:
        params: the section base.
        work: `paths.work`, where compiled code is kept; None for a stage that compiles nothing.
        local: number of this process among those of this host, each of which has a GPU of its
            own; None where one process has the work to itself.

    Raises:
        UserError: the device is not on this machine.
    """
    _keep_freed_memory()
    if work is not None:
        keep_compiled_code(work)
    name = device_type(params) if params.device == "auto" else params.device
    device = torch.device(name)
    if device.type == "cuda" and local is not None:
        device = torch.device("cuda", local)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"params.yaml: base.device (value '{params.device}'): "
            f"this machine has {torch.cuda.device_count()} CUDA devices. Use 'auto' or 'cpu'"
        )
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        if params.deterministic:
            use_deterministic_algorithms()
    return device


def use_deterministic_algorithms() -> None:
    """Lets a GPU give the same bits each time; an operation that cannot becomes an error.

    cuBLAS asks for the variable before the first matrix product: a workspace of fixed size.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False


def _keep_freed_memory() -> None:
    """Asks glibc to reuse freed memory: a training step at 28x28 else takes 19,000 page faults."""
    if sys.platform.startswith("linux"):
        allocator = ctypes.CDLL(None)
        if hasattr(allocator, "mallopt"):
            allocator.mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the largest that glibc takes
            allocator.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)

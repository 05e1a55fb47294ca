"""Which precision a network computes in and what of it is compiled, by machine and size of work.

`auto` is decided by the whole work, done or still to do, so that a resumed one decides alike.
"""

from typing import NamedTuple

import torch

from ncsn.base.progress import notice
from ncsn.config.params import BaseParams
from ncsn.runtime.compiler import cpp_compiler_works

NOTHING, NORMS, NETWORK = "nothing", "norms", "network"  # what is compiled
PRECISION, COMPILED, THREADS = "precision", "compiled", "threads"  # how work ran, in files

# Compiling a network and its backward pass takes a minute or two; a GPU that does not need
# several minutes for this much work is not slow enough for it to pay.
COMPILE_FLOP = 1e16
# Compiling the norms for a CPU took 15 to 40 s. One core of an AMD EPYC with AVX512-BF16 trained
# at 28x28 with 87 GFLOP/s in fp32 and 120 in bf16, which wins 40 s back in 1.3e13 FLOP.
BF16_FLOP = 2e13


class Way(NamedTuple):
    """How a network runs: `precision` is fp32 or bf16, `compiled` nothing, norms or network."""

    precision: str
    compiled: str = NOTHING


def chosen_way(
    precision: str, base: BaseParams, device: torch.device, flops: float, began_in: str = ""
) -> Way:
    """Returns how a network runs.

    Args:
        precision: `auto`, `fp32` or `bf16`.
        base: whether to compile, and whether the same bits are wanted each time.
        device: where it runs.
        flops: of the whole work.
        began_in: the precision of the part of this work that is done, which `auto` keeps.
    """
    cpu = device.type == "cpu"
    if precision == "auto" and began_in:
        precision = began_in
        if cpu and precision == "bf16" and not has_bf16_instructions():
            notice("going on in bf16, in which the work began; this processor is slow in it")
    if precision == "auto":
        fast = _bf16_pays(base, flops) if cpu else _gpu_has_bf16()
        precision = "bf16" if fast else "fp32"
    if base.compile == "always":
        return Way(precision, NETWORK)
    if base.compile == "never":
        return Way(precision)
    if cpu:
        norms = precision == "bf16" and cpp_compiler_works()
        return Way(precision, NORMS if norms else NOTHING)
    pays = flops > COMPILE_FLOP and not base.deterministic  # a compiler tries kernels out
    return Way(precision, NETWORK if pays else NOTHING)


def has_bf16_instructions() -> bool:
    """Returns whether this processor multiplies bf16 numbers: AMX-BF16 or AVX512-BF16."""
    found = torch.cpu.get_capabilities()
    return bool(found.get("amx_bf16") or found.get("avx512_bf16"))


def _bf16_pays(base: BaseParams, flops: float) -> bool:
    """Whether `auto` is bf16 on this CPU; what takes longest to find out is asked last."""
    wanted = base.compile != "never" and not base.deterministic and flops > BF16_FLOP
    return wanted and has_bf16_instructions() and cpp_compiler_works()


def _gpu_has_bf16() -> bool:
    return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)

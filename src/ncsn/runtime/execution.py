"""How a score network runs on a device: precision, layout, compilation.

What is trained or drawn is decided elsewhere. Scores leave in fp32 whatever the network computes
in, and the state of a chain never leaves fp32. `memory` is about memory that runs out.
"""

import torch
from torch import Tensor, nn

from ncsn.maths.types import ScoreFn
from ncsn.runtime.compiled import CompiledScores
from ncsn.runtime.memory import Gradients

# Compiling a network and its backward pass takes a minute or two; a GPU that does not need
# several minutes for this much work is not slow enough for it to pay.
COMPILE_FLOP = 1e16


def autocast_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Returns what the network computes in: `auto` is bf16 on GPUs that have it, else fp32."""
    if precision == "auto":
        has_bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported(
            including_emulation=False
        )
        precision = "bf16" if has_bf16 else "fp32"
    return {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]


def placed(net: nn.Module, device: torch.device) -> nn.Module:
    """Moves a network to `device`; a GPU's convolutions want the channels last in memory.

    A GPU then tries the algorithms for each convolution and takes the fastest: a network sees the
    same few sizes many thousand times. Deterministic algorithms are not tried out.
    """
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = not torch.are_deterministic_algorithms_enabled()
        # the stubs of nn.Module.to lack this form
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net.to(device)


def in_precision(score_fn: ScoreFn, dtype: torch.dtype) -> ScoreFn:
    """Returns `score_fn` computed in `dtype` by autocast; its scores are fp32 in any case.

    bf16 needs `keep_first_layer_exact` besides.
    """
    if dtype == torch.float32:
        return score_fn

    def scores(x: Tensor, level: Tensor) -> Tensor:
        with torch.autocast(x.device.type, dtype):
            return score_fn(x, level).float()

    return scores


def network_scores(
    net: nn.Module, device: torch.device, precision: str, compile_choice: str, flops: float
) -> ScoreFn:
    """Returns the network as params.yaml wants it to run.

    Args:
        net: a score network; an exact score, which has no weights, runs as it is.
        device: where it lies.
        precision: `auto`, `fp32` or `bf16`.
        compile_choice: `auto`, `always` or `never`.
        flops: of the whole work, so that a resumed one runs as it began.
    """
    if next(net.parameters(), None) is None:
        return net
    dtype = autocast_dtype(precision, device)
    if dtype != torch.float32:
        keep_first_layer_exact(net)
    score_fn = in_precision(net, dtype)
    if not compiling_pays(compile_choice, device, flops):
        return score_fn
    return CompiledScores(score_fn, device)


def callable_side_by_side(score_fn: ScoreFn, net: nn.Module, device: torch.device) -> bool:
    """Returns whether several threads of a CPU may call a network's scores at the same time.

    Compiled code is one for all threads and knows the largest batch so far; an exact score takes
    memory by the number of images it is the score of.
    """
    has_weights = next(net.parameters(), None) is not None
    return device.type == "cpu" and has_weights and not isinstance(score_fn, CompiledScores)


def keep_first_layer_exact(net: nn.Module) -> None:
    """Takes the network's first convolution, `head`, out of any autocast.

    bf16 has 8 bits: it would round a pixel by up to 1/256, beside noise whose standard deviation
    is 1/100. On a trained network this layer alone made the error of the last level's scores 0.10
    instead of 0.03. It holds a thousandth of the arithmetic.
    """
    head = getattr(net, "head", None)
    if head is None:
        return
    inner = head.forward

    def forward(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return inner(x)

    head.forward = forward


def compiling_pays(choice: str, device: torch.device, flops: float) -> bool:
    """Returns whether to compile, for `auto` by the whole work, done or still to do.

    A compiler tries kernels out, so that `auto` leaves it aside where base.deterministic is true.
    """
    if choice == "auto":
        exact = torch.are_deterministic_algorithms_enabled()
        return device.type == "cuda" and not exact and flops > COMPILE_FLOP
    return choice == "always"


class Execution:
    """A network as the device runs it in training: its function and its gradients.

    `num_threads` are those of a CPU (see `threads`).
    """

    def __init__(
        self,
        net: nn.Module,
        precision: str,
        compile_choice: str,
        device: torch.device,
        flops: float,
        num_threads: int = 1,
    ):
        self.score_fn = network_scores(net, device, precision, compile_choice, flops)
        beside = callable_side_by_side(self.score_fn, net, device)
        self.gradients = Gradients(
            net, keep_buffers=device.type == "cuda", num_threads=num_threads if beside else 1
        )

"""How a score network runs on a device: precision, layout, compilation.

What is trained or drawn is decided elsewhere. Scores leave in fp32 whatever the network computes
in, and the state of a chain never leaves fp32. `memory` is about memory that runs out.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ncsn.maths.types import ScoreFn
from ncsn.runtime.compiled import CompiledScores, is_compiled
from ncsn.runtime.compiled_norms import CompiledNorms
from ncsn.runtime.memory import Gradients
from ncsn.runtime.way import COMPILED, NETWORK, NORMS, NOTHING, PRECISION, THREADS, Way

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


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


def network_scores(net: nn.Module, device: torch.device, way: Way) -> ScoreFn:
    """Returns the network as it is to run.

    Args:
        net: a score network; an exact score, which has no weights, runs as it is.
        device: where it lies.
        way: see `way.chosen_way`.
    """
    if next(net.parameters(), None) is None:
        return net
    dtype = _DTYPES[way.precision]
    if dtype != torch.float32:
        keep_first_layer_exact(net)
    score_fn = in_precision(net, dtype)
    if way.compiled == NETWORK:
        return CompiledScores(score_fn, device)
    return CompiledNorms(net, score_fn) if way.compiled == NORMS else score_fn


def callable_side_by_side(score_fn: ScoreFn, net: nn.Module, device: torch.device) -> bool:
    """Returns whether several threads of a CPU may call a network's scores at the same time.

    A network compiled as a whole is one for all threads and knows the largest batch so far; an
    exact score takes memory by the number of images it is the score of.
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


class Execution:
    """A network as the device runs it in training: its function and its gradients.

    `num_threads` are those of a CPU (see `threads`).
    """

    def __init__(
        self,
        net: nn.Module,
        device: torch.device,
        way: Way,
        num_threads: int = 1,
    ):
        self.score_fn = network_scores(net, device, way)
        self._way, self._threads = way, num_threads if device.type == "cpu" else None
        beside = callable_side_by_side(self.score_fn, net, device)
        self.gradients = Gradients(
            net, keep_buffers=device.type == "cuda", num_threads=num_threads if beside else 1
        )

    def described(self) -> dict[str, Any]:
        """Returns precision, what is compiled now, and the threads of a CPU, as files have it."""
        return described_way(self._way, self.score_fn, self._threads)


def described_way(way: Way, score_fn: ScoreFn, num_threads: int | None = None) -> dict[str, Any]:
    """Returns how a network runs, as files have it.

    A compiler that has failed has compiled nothing. Threads are named where their number decides
    the last digits: in a training on a CPU.
    """
    compiled = way.compiled if is_compiled(score_fn) else NOTHING
    threads = {} if num_threads is None else {THREADS: num_threads}
    return {PRECISION: way.precision, COMPILED: compiled, **threads}

"""Chains that walk down a noise ladder: what a sampler is, and the loop that runs it.

A sampler is a `Kernel`: pure functions for the begin of a level, for one step, and for the end.
The kernels stand beside this file, each with its equations: `langevin` (Algorithm 1),
`consistent`, `inpainting` (Algorithm 2).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ncsn.maths.types import NoiseFn, OnLevel, ScoreFn


class State(NamedTuple):
    """What the next step needs.

    Attributes:
        x: the images of the chain, shape (B, ...).
        held: what a kernel keeps for the steps of one level, or None.
    """

    x: Tensor
    held: Tensor | None = None


def _begin(x: Tensor, level: int, noise: NoiseFn) -> State:
    return State(x)


def _end(x: Tensor) -> Tensor:
    return x


@dataclass(frozen=True)
class Kernel:
    """A Markov chain on every level of a ladder.

    Attributes:
        sigmas: the ladder in the units of x, largest first, shape (L,).
        steps_per_level: the paper's T; each step asks for the score once.
        step: (state, score at state.x, level, noise) to the next state; modifies neither.
        init: (x, level, noise) to the state with which the level begins.
        end: the chain's last images to its result.
        final_denoise: whether the result is x + sigma_L^2 s(x, sigma_L), the mean of the clean
            image, for one more evaluation.
    """

    sigmas: Tensor
    steps_per_level: int
    step: Callable[[State, Tensor, int, NoiseFn], State]
    init: Callable[[Tensor, int, NoiseFn], State] = _begin
    end: Callable[[Tensor], Tensor] = _end
    final_denoise: bool = False


def anneal(kernel: Kernel, score_fn: ScoreFn, x: Tensor, noise: NoiseFn) -> Iterator[Tensor]:
    """Yields the images at the end of each level, from the largest sigma to the smallest.

    Args:
        kernel: the chain.
        score_fn: maps (x, level) to scores; level is int64, shape (B,).
        x: start, shape (B, ...); not modified.
        noise: returns standard normal noise of the shape of its argument.
    """
    for level in range(len(kernel.sigmas)):
        state, index = kernel.init(x, level, noise), _indices(x, level)
        for _ in range(kernel.steps_per_level):
            state = kernel.step(state, score_fn(state.x, index), level, noise)
        x = state.x
        yield x


def sample(
    kernel: Kernel, score_fn: ScoreFn, x: Tensor, noise: NoiseFn, on_level: OnLevel | None = None
) -> Tensor:
    """Runs a chain to its end.

    Args:
        kernel: the chain.
        score_fn: maps (x, level) to scores; level is int64, shape (B,).
        x: start, shape (B, ...); not modified.
        noise: returns standard normal noise of the shape of its argument.
        on_level: called with (level, x) after each level; it must not modify x.

    Returns:
        Samples, shape (B, ...). Nothing is clamped.
    """
    for level, images in enumerate(anneal(kernel, score_fn, x, noise)):
        x = images
        if on_level is not None:
            on_level(level, x)
    if kernel.final_denoise:
        last = _indices(x, len(kernel.sigmas) - 1)
        x = x + float(kernel.sigmas[-1]) ** 2 * score_fn(x, last)
    return kernel.end(x)


def _indices(x: Tensor, level: int) -> Tensor:
    return torch.full((len(x),), level, dtype=torch.int64, device=x.device)

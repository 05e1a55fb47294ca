"""The callables that the maths passes around, under one name each."""

from collections.abc import Callable

from torch import Tensor

ScoreFn = Callable[[Tensor, Tensor], Tensor]  # x (B, ...), level (B,) -> score, shape of x
Objective = Callable[[ScoreFn, Tensor, Tensor, Tensor], Tensor]  # score_fn, x, level, z -> (B,)
NoiseFn = Callable[[Tensor], Tensor]  # x -> standard normal noise of its shape
OnLevel = Callable[[int, Tensor], None]  # told (level, x) at the end of each level

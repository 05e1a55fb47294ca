"""Learning rates as functions of the step alone, so that a resumed training takes the same ones.

A rate is a factor times the largest rate: a linear warm-up to 1 (Goyal et al. 2017,
arXiv 1706.02677), then a decay. The paper has neither.
"""

import math


def warmup_factor(step: int, warmup_steps: int) -> float:
    """Returns the factor of a linear warm-up: 1 / W at step 0, and 1 from step W - 1 on.

    Args:
        step: steps that are done before, from 0.
        warmup_steps: W; 0 has no warm-up.
    """
    return min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0


def constant_decay(progress: float) -> float:
    """Returns 1 at any progress, as the paper has it."""
    return 1.0


def linear_decay(progress: float) -> float:
    """Returns a factor that falls from 1 to 0 along a line, while `progress` goes from 0 to 1."""
    return 1.0 - progress


def cosine_decay(progress: float) -> float:
    """Returns a factor that falls from 1 to 0 along a half cosine, without restarts.

    Loshchilov & Hutter 2017, arXiv 1608.03983, Eq. 5. `progress` goes from 0 to 1.
    """
    return 0.5 * (1 + math.cos(math.pi * progress))

"""The training loop of the toy studies: Adam on losses that a callable makes step by step."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ncsn.maths.learning_rate import cosine_decay


def fitted_losses(
    net: nn.Module,
    loss_at: Callable[[int], Tensor],
    *,
    num_steps: int,
    learning_rate: float,
    decayed: bool = False,
    after_step: Callable[[int], None] | None = None,
) -> Tensor:
    """Trains `net` in place and returns the loss of every step, shape (num_steps,).

    Args:
        net: the network; its parameters change.
        loss_at: maps the step number, from 0, to a scalar loss.
        num_steps: updates of Adam, with torch's default betas.
        learning_rate: of Adam.
        decayed: whether it falls to zero along a half cosine.
        after_step: called with the number of steps done, after each.

    Returns:
        Losses, float32.
    """
    optimizer = torch.optim.Adam(net.parameters(), learning_rate, fused=True)
    losses = torch.zeros(num_steps)
    for step in range(num_steps):
        if decayed:
            optimizer.param_groups[0]["lr"] = learning_rate * cosine_decay(step / num_steps)
        loss = loss_at(step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses[step] = loss.detach()
        if after_step is not None:
            after_step(step + 1)
    return losses

"""When a training is stuck where a network that returns zero is."""

import math
from collections.abc import Mapping

from ncsn.base.training_names import TRAIN_LOSS
from ncsn.config.params import TrainParams
from ncsn.maths.zero_score import zero_score_loss

AFTER_STEPS = 200  # before, a training may well be on its way
_CLEAR = 3.0  # standard errors below


def stuck_doubt(row: Mapping[str, float], params: TrainParams, image_values: int) -> str | None:
    """Returns a sentence of warning where a row's loss is not clearly below a zero score's.

    The losses of a zero score have mean and variance D/2, so that the mean of n of them lies
    within three standard errors, 3 sqrt(D / (2 n)), of D/2.

    Args:
        row: of the training log.
        params: the section train.
        image_values: D, the number of values of an image.

    Returns:
        None for a training that learns, before step 200, for a row without a training loss, and
        with other weights than sigma^2, for which D/2 means nothing.
    """
    step, loss = int(row["step"]), row.get(TRAIN_LOSS)
    if loss is None or step < AFTER_STEPS or params.weight_power != 2:
        return None
    zero = zero_score_loss(image_values)
    num_losses = ((step - 1) % params.log_every_steps + 1) * params.batch_size
    if loss < zero - _CLEAR * math.sqrt(zero / num_losses):
        return None
    return (
        f"the training loss is {loss:.4g} at step {step:,}, not below the {zero:g} of a network "
        "that returns zero: it has learnt nothing. Raise train.warmup_steps, lower "
        "train.learning_rate, or take another train.seed"
    )

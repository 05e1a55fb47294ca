"""The names of what a training logs, the same in train_log.jsonl, MLflow, tables and axes."""

TRAIN_LOSS = "train/loss"
LEARNING_RATE = "train/learning_rate"  # of the last step of a row
STEPS_PER_SEC = "train/steps_per_sec"
VAL_LOSS = "val/loss"
VAL_PIXEL_FRECHET = "val/pixel_frechet"  # of images drawn like previews, against held-out ones


def level_key(key: str, level: int) -> str:
    """Returns the key of one noise level's loss.

    >>> level_key(VAL_LOSS, 3)
    'val/loss_level_03'
    """
    return f"{key}_level_{level:02d}"

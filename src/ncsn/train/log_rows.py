"""What the rows of a training's speed say."""

from collections.abc import Iterable, Mapping
from typing import Any

from ncsn.base.training_names import STEPS_PER_SEC


def training_seconds(rows: Iterable[Mapping[str, Any]]) -> float:
    """Returns the seconds of all training steps: steps divided by their logged speed.

    Validation and previews are not in it.
    """
    seconds, last = 0.0, 0
    for row in rows:
        if row.get(STEPS_PER_SEC):
            seconds += (row["step"] - last) / row[STEPS_PER_SEC]
            last = row["step"]
    return seconds

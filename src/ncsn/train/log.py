"""The training log: sums of the loss by level on the device, rows in a file of JSON lines.

Reading a loss forces a GPU to catch up, so losses are summed where they are and read once a row.
"""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ncsn.base.errors import Diverged
from ncsn.base.files import write_jsonl
from ncsn.base.records import LOG, read_log
from ncsn.base.training_names import TRAIN_LOSS, level_key

SPEED = "speed.jsonl"  # apart from the log: equal trainings leave equal bytes, which hold no clock
PREVIEWS = "previews"


class LossWindow:
    """Sums of losses by level since the last row."""

    def __init__(self, num_levels: int, device: torch.device):
        self.totals = torch.zeros(num_levels, dtype=torch.float64, device=device)
        self.counts = torch.zeros(num_levels, dtype=torch.float64, device=device)

    def add(self, losses: Tensor, level: Tensor) -> None:
        """Adds losses (B,) of samples at `level` (B,)."""
        losses = losses.detach().double()
        self.totals.index_add_(0, level, losses)
        self.counts.index_add_(0, level, torch.ones_like(losses))

    def means(self, key: str = TRAIN_LOSS) -> dict[str, float]:
        """Returns the mean over all samples under `key`, and of each level drawn under its own."""
        totals, counts = self.totals.tolist(), self.counts.tolist()
        row = {key: sum(totals) / sum(counts)}
        for level, (total, count) in enumerate(zip(totals, counts, strict=True)):
            if count:
                row[level_key(key, level)] = total / count
        return row

    def clear(self) -> None:
        """Starts a new window."""
        self.totals.zero_()
        self.counts.zero_()

    def state_dict(self) -> dict[str, Tensor]:
        """Returns copies of the sums, for a checkpoint."""
        return {"totals": self.totals.clone(), "counts": self.counts.clone()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Takes up the sums of a checkpoint."""
        self.totals.copy_(state["totals"])
        self.counts.copy_(state["counts"])


def append_row(path: Path, row: Mapping[str, float]) -> None:
    """Appends one line to the log and hands it to the operating system at once.

    Raises:
        Diverged: a value is not finite; the training has diverged at row["step"].
    """
    broken = [f"{key} = {value}" for key, value in row.items() if not math.isfinite(value)]
    if broken:
        raise Diverged(
            f"training diverged by step {row['step']}: {broken[0]}. "
            "Lower train.learning_rate, or check the data; params.yaml holds both"
        )
    with open(path, "a") as file:
        file.write(json.dumps(row) + "\n")
        file.flush()
        os.fsync(file.fileno())


def cut_back(folder: Path, step: int) -> None:
    """Drops rows and previews beyond `step`, the last one that a checkpoint holds."""
    for rows_of in (folder / LOG, folder / SPEED):
        rows = read_log(rows_of) if rows_of.exists() else []
        write_jsonl(rows_of, [row for row in rows if row["step"] <= step])
    previews = folder / PREVIEWS
    previews.mkdir(parents=True, exist_ok=True)
    for image in previews.glob("step_*.png"):
        if int(image.stem.removeprefix("step_")) > step:
            image.unlink()

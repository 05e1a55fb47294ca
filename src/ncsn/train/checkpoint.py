"""Checkpoints: state dicts, step and params in one file that loads without running code.

The same format serves the finished network and the unfinished training. Read on in `loop`.
Equal checkpoints give equal bytes, whether their training was interrupted or not.
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ncsn.base.errors import UserError
from ncsn.base.files import whole_file
from ncsn.base.reading import remake_hint
from ncsn.base.tensor_file import load_tensors

FORMAT = 1
MAKER = "`dvc repro train`"
_KINDS: dict[str, type] = {
    "step": int,
    "params": dict,
    "image_shape": tuple,
    "net": dict,
    "ema": dict,
    "optimizer": dict,
    "window": dict,
}
_OPTIONAL: dict[str, type] = {"execution": dict}  # later than the first checkpoints of the format


@dataclass(frozen=True)
class Checkpoint:
    """A training after `step` steps.

    `params` holds the sections model and train as plain dicts, and as `noise` how the training
    drew its noise (see `training_noise`); `image_shape` is (C, H, W);
    `ema` are the averaged weights, those to sample with; `window` are the sums of the loss since
    the last logged line, so that a resumed log equals an unbroken one; `execution` says how the
    network ran: precision, what of it was compiled, threads of a CPU.
    """

    step: int
    params: dict[str, dict[str, Any]]
    image_shape: tuple[int, int, int]
    net: dict[str, Tensor]
    ema: dict[str, Tensor]
    optimizer: dict[str, Any]
    window: dict[str, Tensor]
    execution: dict[str, Any] = field(default_factory=dict)
    format: int = FORMAT


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint whole or not at all; equal ones give equal bytes."""
    fields = {name: getattr(checkpoint, name) for name in Checkpoint.__dataclass_fields__}
    # Through an open file: given a path, torch.save writes its name into the archive and hides why
    # it could not write.
    with whole_file(path) as partial, open(partial, "wb") as file:
        torch.save(_plain(fields), file)


def load_checkpoint(path: str | Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Reads a checkpoint onto `device`; none of its content is run as code.

    Raises:
        Missing: there is no such file.
        UserError: it cannot be read, is damaged, or of another format.
    """
    fields = load_tensors(path, MAKER, device)
    if (found := fields.get("format")) != FORMAT:
        raise UserError(
            f"{path}: checkpoint format must be {FORMAT}, got {found}{remake_hint(MAKER)}"
        )
    if broken := _broken_field(fields):
        raise UserError(f"{path} is no whole checkpoint: {broken}{remake_hint(MAKER)}")
    return Checkpoint(**{**fields, "image_shape": tuple(fields["image_shape"])})


def _broken_field(fields: dict[str, Any]) -> str | None:
    """Which field is not that of a checkpoint, or None."""
    present = {name: kind for name, kind in _OPTIONAL.items() if name in fields}
    for name, kind in (_KINDS | present).items():
        if not isinstance(fields.get(name), kind):
            return f"{name} must be {kind.__name__}, found {type(fields.get(name)).__name__}"
    if unknown := sorted(set(map(str, fields)) - set(Checkpoint.__dataclass_fields__)):
        return f"{unknown[0]} is no field of it"
    shape = fields["image_shape"]
    if len(shape) != 3 or not all(isinstance(size, int) and size > 0 for size in shape):
        return f"image_shape must be (C, H, W), found {shape}"
    for name in ("net", "ema", "window"):
        if not all(isinstance(value, Tensor) for value in fields[name].values()):
            return f"{name} must hold tensors alone"
    if absent := [name for name in ("model", "train", "noise") if name not in fields["params"]]:
        return f"params lack {absent[0]}"
    return None


def _plain(value: Any) -> Any:
    """The value rebuilt of fresh plain containers, equal strings one object.

    A pickle says which parts are one and the same object, and a state dict that was loaded shares
    other parts with itself than one that grew in a training.
    """
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    return sys.intern(value) if isinstance(value, str) else value

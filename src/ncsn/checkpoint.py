"""Checkpoints: state dicts, step and params in one file that loads without running code.

The same format serves the finished network and the unfinished training. Read on in `training`.
Equal checkpoints give equal bytes, whether their training was interrupted or not.
"""

import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ncsn.errors import UserError
from ncsn.io import whole_file

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A training after `step` steps.

    `params` holds the sections model and train as plain dicts, and as `noise` how the training
    drew its noise (see `training_noise`); `image_shape` is (C, H, W);
    `ema` are the averaged weights, those to sample with; `window` are the sums of the loss since
    the last logged line, so that a resumed log equals an unbroken one.
    """

    step: int
    params: dict[str, dict[str, Any]]
    image_shape: tuple[int, int, int]
    net: dict[str, Tensor]
    ema: dict[str, Tensor]
    optimizer: dict[str, Any]
    window: dict[str, Tensor]
    format: int = FORMAT


def save_checkpoint(path: str | Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint whole or not at all; equal ones give equal bytes."""
    fields = {name: getattr(checkpoint, name) for name in Checkpoint.__dataclass_fields__}
    # Through an open file: given a path, torch.save writes its name into the archive and hides why
    # it could not write.
    with whole_file(path) as partial, open(partial, "wb") as file:
        torch.save(_plain(fields), file)


def load_checkpoint(path: str | Path, device: torch.device | str = "cpu") -> Checkpoint:
    """Reads a checkpoint onto `device`.

    Raises:
        UserError: the file is missing, broken, or of another format.
    """
    try:
        fields = torch.load(path, map_location=device, weights_only=True)
        found = fields.pop("format")
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro train` makes it") from None
    except (RuntimeError, EOFError, KeyError, AttributeError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path} is not a checkpoint of this project ({reason})") from None
    if found != FORMAT:
        raise UserError(f"{path}: checkpoint format must be {FORMAT}, got {found}")
    return Checkpoint(**{**fields, "image_shape": tuple(fields["image_shape"])})


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

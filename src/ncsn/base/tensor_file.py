"""Files of tensors by name, read without running code of theirs."""

import pickle
import struct
from pathlib import Path
from typing import Any

import torch

from ncsn.base.errors import UserError
from ncsn.base.reading import described, opened, remake_hint

_HEAD = 64  # bytes
# What torch.load raises depends on where a file is broken.
_BROKEN = (
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    OSError,
    EOFError,
    ArithmeticError,
    pickle.UnpicklingError,
    struct.error,
)


def load_tensors(
    path: str | Path, maker: str | None, device: torch.device | str = "cpu"
) -> dict[str, Any]:
    """Returns what torch.save wrote of tensors and plain values by name.

    Args:
        path: of the file.
        maker: the command that makes it, for messages; None for the user's own.
        device: where the tensors go.

    Raises:
        Missing: there is no such file.
        UserError: it cannot be read, is damaged, or holds something else. What PyTorch advises
            then, to load without its check, would run the file's code and is not passed on.
    """
    with opened(path, maker) as file:
        head = file.read(_HEAD)
        file.seek(0)
        if not head.startswith(b"PK"):  # what older versions wrote is a bare pickle
            raise UserError(
                f"{path}: not a file of tensors, {described(head)}{remake_hint(maker)}"
            )
        try:
            value = torch.load(file, map_location=device, weights_only=True)
        except _BROKEN as error:
            kind = type(error).__name__
            raise UserError(f"{path}: damaged or not ours ({kind}){remake_hint(maker)}") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: must hold tensors by name{remake_hint(maker)}")
    return value

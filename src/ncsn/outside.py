"""Where the files lie that params name and git does not know: a user's images, archives, weights.

A stage may run in a copy of the project that has none of them: a sweep's workspace, or the folder
of `dvc exp run --temp`. A relative path means the user's own project there, too.
"""

import os
import stat
from pathlib import Path
from typing import Literal

from ncsn.errors import UserError
from ncsn.places import main_project

PROJECT = "NCSN_PROJECT"  # in the environment: the project whose copy the current folder is


def located(path: str | Path) -> Path:
    """Returns where a user's path lies: `~` is the home folder, relative means the project."""
    return Path(os.environ.get(PROJECT) or main_project()) / os.path.expanduser(path)


def existing(key: str, value: str | None, kind: Literal["file", "folder"]) -> Path:
    """Returns where a user's file or folder lies, after a look that it is there.

    Args:
        key: dotted key of params.yaml, for messages.
        value: its value.
        kind: what it must name.

    Raises:
        UserError: there is nothing, or something else, or it cannot be looked at.
    """
    assert value is not None  # the section sees to it
    path, said = located(value), f"{key} (value {value!r})"
    where = "" if value == str(path.absolute()) else f"; looked at {path.absolute()}"
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a null character
        raise UserError(f"{said}: no such {kind}{where}") from None
    except OSError as error:
        raise UserError(f"{said}: cannot be read ({error.strerror})") from None
    if not (stat.S_ISREG(mode) if kind == "file" else stat.S_ISDIR(mode)):
        raise UserError(f"{said}: must name a {kind}, and is none")
    return path

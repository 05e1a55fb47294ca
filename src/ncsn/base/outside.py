"""Where the files lie that params name and git does not know: a user's images, archives, weights.

A stage may run in a copy of the project that has none of them: a sweep's workspace, or the folder
of `dvc exp run --temp`. A relative path means the user's own project there, too.
"""

import os
import stat
from pathlib import Path
from typing import Literal

from ncsn.base.errors import UserError

PROJECT = "NCSN_PROJECT"  # in the environment: the project whose copy the current folder is
_EXPERIMENTS = (".dvc", "tmp", "exps")  # where DVC makes the folders of --temp and --queue


def located(path: str | Path) -> Path:
    """Returns where a user's path lies: `~` is the home folder, relative means the project."""
    return Path(os.environ.get(PROJECT) or main_project()) / os.path.expanduser(path)


def existing(key: str, value: str | None, kind: Literal["file", "folder"]) -> Path:
    """Returns where a user's file or folder lies, which must be there.

    Args:
        key: dotted key of params.yaml, for messages.
        value: its value.
        kind: what it must name.

    Raises:
        UserError: nothing is there, something else is there, or it cannot be read.
    """
    assert value is not None  # the section sees to it
    path, setting = located(value), f"{key} (value {value!r})"
    where = "" if value == str(path.absolute()) else f"; looked at {path.absolute()}"
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a null character
        raise UserError(f"{setting}: no such {kind}{where}") from None
    except OSError as error:
        raise UserError(f"{setting}: cannot be read ({error.strerror})") from None
    if not (stat.S_ISREG(mode) if kind == "file" else stat.S_ISDIR(mode)):
        raise UserError(f"{setting}: must name a {kind}, and is none")
    return path


def main_project(root: str | Path = ".") -> Path:
    """Returns the project itself for the folder of one of DVC's temporary experiments in it.

    Any other folder is its own project. The folder of an experiment vanishes with it, so what
    must stay (MLflow's store, the file of secrets) lies in the project.
    """
    root = Path(root).resolve()
    inner = next((folder for folder in (root, *root.parents) if (folder / ".dvc").is_dir()), root)
    for outer in inner.parents:
        inside = outer.joinpath(*_EXPERIMENTS)
        if (
            inner.is_relative_to(inside)
            and (outer / root.relative_to(inner) / "dvc.yaml").exists()
        ):
            return outer / root.relative_to(inner)
    return root

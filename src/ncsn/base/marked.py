"""Folders that this project made, known by a mark inside. It replaces and removes no others.

Whatever a path says, a folder without the mark may be somebody's work.
"""

import contextlib
import shutil
from pathlib import Path

from ncsn.base.errors import UserError

MARK = ".made-by-ncsn"
_NOTE = (
    "ncsn made this folder, and replaces or removes it as a whole. Keep nothing of yours here.\n"
)


def mark_folder(folder: Path) -> None:
    """Marks a folder that has just been made, or one that is marked already."""
    with contextlib.suppress(FileExistsError), open(folder / MARK, "x") as file:
        file.write(_NOTE)


def refuse_foreign(folder: str | Path) -> None:
    """Raises a UserError unless `folder` is marked or empty, or nothing is there yet."""
    folder = Path(folder)
    if folder.is_symlink():
        raise UserError(
            f"{folder} is a link, and a folder of ncsn's own belongs there; move it away"
        )
    if not folder.exists():
        return
    if not folder.is_dir():
        raise UserError(
            f"{folder} is no folder, and one of ncsn's own belongs there; move it away"
        )
    # in this order: a folder that another process has just made and marked passes too
    if any(folder.iterdir()) and not (folder / MARK).is_file():
        raise UserError(
            f"{folder} is not empty, and ncsn did not make it (no {MARK} inside), so it is not"
            " replaced; move it away"
        )


def remove_marked(folder: Path) -> None:
    """Removes a folder with all inside, the mark last: a killed removal can be done again.

    Raises:
        UserError: the folder is not this project's own.
    """
    refuse_foreign(folder)
    clear(folder, keep=MARK)
    (folder / MARK).unlink(missing_ok=True)
    folder.rmdir()


def clear(folder: Path, keep: str) -> None:
    """Removes all that lies in a folder of this project's own, except the file `keep`."""
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        elif child.name != keep:
            child.unlink()

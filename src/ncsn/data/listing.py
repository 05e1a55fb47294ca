"""What a folder of the user's holds: one walk for the readers and for the stage that watches it.

Only names and states are read here, never content. Names that start with a dot are left out, as
`ls` does.
"""

import os
import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ncsn.base.errors import UserError

IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".webp", ".bmp"),
    *(".tif", ".tiff", ".ppm", ".pgm"),
)
BROKEN_LINK = "broken link(s)"
ROUND_LINK = "link(s) to a folder around them"
NO_FILE = "special file(s)"


class File(NamedTuple):
    """A file below a folder.

    Attributes:
        name: its path below the folder, with `/` between the parts.
        size: in bytes.
        times: of the last change of its content and of its state, in nanoseconds.
        is_linked: it, or a folder on the way to it, is a link.
    """

    name: str
    size: int
    times: tuple[int, int]
    is_linked: bool

    @property
    def is_image(self) -> bool:
        return os.path.splitext(self.name)[1].lower() in IMAGE_SUFFIXES


class Listing(NamedTuple):
    """What lies below a folder, at any depth.

    Attributes:
        files: in the order of their paths, part by part.
        folders: their names, in the same order.
        passed_over: what is neither: how many of each kind.
    """

    files: list[File]
    folders: list[str]
    passed_over: Counter[str]


class _Folder(NamedTuple):
    """A folder on the way; `around` are the devices and inodes of those that it lies in."""

    name: str
    is_linked: bool
    around: frozenset[tuple[int, int]]


def listed(root: str | Path) -> Listing:
    """Lists all files below `root`. Links are followed, but not into a folder that they lie in.

    Raises:
        UserError: a folder or the state of a file cannot be read; the message names it.
    """
    listing = Listing([], [], Counter())
    state = _state(Path(root))
    todo: list[File | _Folder] = [_Folder("", False, frozenset([(state.st_dev, state.st_ino)]))]
    while todo:
        item = todo.pop()
        if isinstance(item, File):
            listing.files.append(item)
            continue
        if item.name:
            listing.folders.append(item.name)
        todo += sorted(_inside(Path(root), item, listing.passed_over), reverse=True)
    return listing


def file_entry(path: str | Path) -> File:
    """Returns the entry of one file under its own name; UserError names one not to be read."""
    path = Path(path)
    state = _state(path)
    return File(path.name, state.st_size, (state.st_mtime_ns, state.st_ctime_ns), False)


def _inside(root: Path, folder: _Folder, passed_over: Counter[str]) -> Iterator[File | _Folder]:
    path = root / folder.name
    try:
        entries = os.scandir(path)
    except OSError as error:
        raise unreadable(path, error) from None
    with entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = f"{folder.name}/{entry.name}" if folder.name else entry.name
            is_link = folder.is_linked or entry.is_symlink()
            try:
                state = entry.stat()
            except OSError as error:
                if not entry.is_symlink() or isinstance(error, PermissionError):
                    raise unreadable(root / name, error) from None
                passed_over[BROKEN_LINK] += 1
                continue
            place = state.st_dev, state.st_ino
            if stat.S_ISREG(state.st_mode):
                times = state.st_mtime_ns, state.st_ctime_ns
                yield File(name, state.st_size, times, is_link)
            elif not stat.S_ISDIR(state.st_mode):
                passed_over[NO_FILE] += 1
            elif place in folder.around:
                passed_over[ROUND_LINK] += 1
            else:
                yield _Folder(name, is_link, folder.around | {place})


def unreadable(path: str | Path, error: OSError) -> UserError:
    """Returns the complaint about a file or folder that the system does not let us read."""
    return UserError(f"{path}: cannot be read ({error.strerror})")


def _state(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise unreadable(path, error) from None

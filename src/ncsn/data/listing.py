"""Lists a folder of the user's, for the readers of images and for the stage that watches it.

Only names, sizes and times are read here, never content. Names that start with a dot are left out,
as `ls` does.
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
ROUND_LINK = "link(s) to a folder that contains them"
NO_FILE = "special file(s)"


class File(NamedTuple):
    """A file below a folder.

    Attributes:
        name: its path below the folder, with `/` between the parts.
        size: in bytes.
        times: mtime and ctime, in nanoseconds: the last changes of content and of status.
        is_linked: whether it, or a folder on the way to it, is a link.
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
        passed_over: how many there are of what is neither, by kind.
    """

    files: list[File]
    folders: list[str]
    passed_over: Counter[str]


class _Folder(NamedTuple):
    """A folder to be listed; `around` has device and inode of itself and of all around it."""

    name: str
    is_linked: bool
    around: frozenset[tuple[int, int]]


def listed(root: str | Path) -> Listing:
    """Lists all files below `root`. Links are followed, but not into a folder that they lie in.

    Raises:
        UserError: a folder or the status of a file cannot be read; the message names it.
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
    """Returns the entry of a single file; a UserError names one that cannot be read."""
    path = Path(path)
    state = _state(path)
    return File(path.name, state.st_size, (state.st_mtime_ns, state.st_ctime_ns), False)


def is_file(path: Path) -> bool:
    """Returns whether there is a file; a UserError where the system does not let us know."""
    return stat.S_ISREG(_mode(path))


def is_folder(path: Path) -> bool:
    """Returns whether there is a folder; errors as `is_file`."""
    return stat.S_ISDIR(_mode(path))


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
    """Returns the error that names a file or folder that cannot be read, and the reason."""
    return UserError(f"{path}: cannot be read ({error.strerror})")


def _mode(path: Path) -> int:
    """Type and permissions of a file, 0 where there is none."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except OSError as error:
        raise unreadable(path, error) from None


def _state(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise unreadable(path, error) from None

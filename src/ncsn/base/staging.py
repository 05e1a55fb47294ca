"""Where a file or folder is made before it gets its name: a hidden folder beside it.

A living writer holds a lock in it, which the kernel frees however the writer ends. The next writer
of the same path therefore knows what dead writers left behind, and removes it. The name has a hash
of the host in it, because not every shared file system shares its locks between hosts.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from ncsn.base.marked import clear

_LOCK = ".ncsn-lock"
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]


@contextlib.contextmanager
def staging_folder(path: Path) -> Iterator[Path]:
    """Yields a folder beside `path` for this writer alone, and removes it with all inside.

    Leftovers of dead writers of `path` on this host are removed first. The folder of `path` is
    made where it does not exist.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder, lock = _claimed(path)
    try:
        clear(folder, keep=_LOCK)
        yield folder
    finally:
        _remove(folder, lock)


def _claimed(path: Path) -> tuple[Path, int]:
    """Returns the first folder without a living writer; others without one are removed."""
    mine = None
    for number in count():
        folder = path.with_name(f".{path.name}.{_HOST}-{number}.part")
        if mine and not folder.exists():
            return mine
        lock = _claim(folder)
        if lock is not None and mine:
            _remove(folder, lock)
        elif lock is not None:
            mine = folder, lock
    raise AssertionError("counting has no end")


def _claim(folder: Path) -> int | None:
    """Returns the descriptor of the folder's lock; None if it may be another writer's."""
    is_new = _made(folder)
    if not is_new and not _is_staging(folder):
        return None
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    except FileNotFoundError:  # its writer has just ended
        return None
    except OSError:
        if is_new:
            raise
        return None
    if _is_locked_now(folder, lock, is_new):
        return lock
    os.close(lock)
    return None


def _made(folder: Path) -> bool:
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def _is_staging(folder: Path) -> bool:
    """Whether a folder was made here: it has a lock, or its writer died before it made one."""
    with contextlib.suppress(OSError):
        if not folder.is_symlink():
            return not any(folder.iterdir()) or (folder / _LOCK).is_file()
    return False


def _is_locked_now(folder: Path, lock: int, is_new: bool) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        here = os.stat(folder / _LOCK)
    except (BlockingIOError, FileNotFoundError):
        return False
    except OSError:  # a file system without locks: what is there already stays
        return is_new
    return os.path.samestat(here, os.fstat(lock))  # else a writer that has ended removed it


def _remove(folder: Path, lock: int) -> None:
    """Removes what can be removed; the lock goes last, and then another writer may be inside."""
    with contextlib.suppress(OSError):
        clear(folder, keep=_LOCK)
        (folder / _LOCK).unlink()
        folder.rmdir()
    os.close(lock)

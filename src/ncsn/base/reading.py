"""Reading files: their bytes, or an error of one line that names the file and says what to do.

What a path names may be missing, a folder, a pipe that never ends, without permission, or
something else than its name says: the pointer that Git LFS leaves, or the error page of a server.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path

from ncsn.base.errors import Missing, UserError

_POINTER = b"version https://git-lfs.github.com/spec/"
_PAGES = (b"<!doctype html", b"<html")
_LONGEST = 200  # characters of a library's message
_HEAD = 128  # bytes that tell what a file is


@contextlib.contextmanager
def opened(path: str | Path, maker: str | None) -> Iterator[BufferedReader]:
    """Yields a regular file that is open for reading.

    Args:
        path: of the file.
        maker: the command that makes the file, for messages; None for a file of the user's own.

    Raises:
        Missing: there is no such file.
        UserError: it is no regular file, cannot be read, or is a pointer of Git LFS.
    """
    if "\0" in str(path):
        raise UserError(f"{str(path)!r}: a file name cannot hold the byte 0")
    with _errors_of(path, maker):
        kind = os.stat(path).st_mode
        if not stat.S_ISREG(kind):
            found = "a folder" if stat.S_ISDIR(kind) else "no regular file"
            raise UserError(f"{path}: must be a file, but is {found}{remake_hint(maker)}")
        with open(path, "rb") as file:
            if file.read(_HEAD).startswith(_POINTER):
                raise UserError(
                    f"{path}: is a pointer of Git LFS, not its content; `git lfs pull`"
                )
            file.seek(0)
            yield file


def read_bytes(path: str | Path, maker: str | None) -> bytes:
    """Returns the content of a file; errors as `opened`."""
    with opened(path, maker) as file:
        return file.read()


def read_text(path: str | Path, maker: str | None) -> str:
    """Returns the UTF-8 text of a file; errors as `opened`, and one for other encodings."""
    content = read_bytes(path, maker)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        where = f"byte {content[error.start]:02x} at position {error.start}{remake_hint(maker)}"
        raise UserError(f"{path}: must be text in UTF-8, found {where}") from None


def remake_hint(maker: str | None) -> str:
    """Returns how to have a broken file made again, the end of a message.

    >>> remake_hint("`dvc repro`")
    '; delete it and run `dvc repro`'
    """
    return f"; delete it and run {maker}" if maker else ""


def described(head: bytes) -> str:
    """Returns what the first bytes of a file show it to be, for a message.

    >>> described(b"<!DOCTYPE html><html>")
    'it is a web page'
    """
    if not head:
        return "it is empty"
    if head.lstrip().lower().startswith(_PAGES):
        return "it is a web page"
    return f"it starts with {head[:4].hex()}"


def one_line(error: object) -> str:
    """Returns the text of an error with its line breaks made spaces, and no more than shows it.

    Some errors quote all that they found, which may be the whole file.
    """
    text = " ".join(str(error).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


@contextlib.contextmanager
def _errors_of(path: str | Path, maker: str | None) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        hint = f"; {maker} makes it" if maker else ""
        raise Missing(f"{path} is missing{hint}") from None
    except OSError as error:
        reason = error.strerror or one_line(error)
        raise UserError(f"{path}: cannot be read ({reason}){remake_hint(maker)}") from None

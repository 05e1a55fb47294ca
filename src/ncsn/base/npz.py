"""Archives of arrays (.npz), read without trust: every claim of a header is checked first.

NumPy allocates what a header claims before it looks at the content, and its messages advise
`allow_pickle=True`, which runs code of the file. Here a member must be as long as its header says,
no longer than its compressed bytes can give, and hold plain numbers.
"""

import ast
import contextlib
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple

import numpy as np

from ncsn.base.errors import UserError
from ncsn.base.reading import described, one_line, opened, remake_hint

# Arrays are held in memory. ImageNet at 64x64, the largest set that is stacked so, has 15.7 GB.
MAX_BYTES = 2**34
MAX_RATIO = 1032  # of deflate: no compressed byte gives more
NPY_MAGIC = b"\x93NUMPY"
_HEADER_LENGTHS = {1: "<H", 2: "<I"}  # by version of the .npy format
_MAX_HEADER = 4096  # bytes; those of plain numbers have 118
_TYPE = re.compile(r"[<>|=]?[biuf]\d{1,2}")  # truth values, integers, floats
_METHODS = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: MAX_RATIO}  # largest ratio of each
_ENCRYPTED = 1  # flag of a member
# What zipfile raises depends on where an archive is broken.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)


class Header(NamedTuple):
    """What a member says of its array; `offset` is where the array's bytes begin."""

    dtype: np.dtype
    shape: tuple[int, ...]
    fortran_order: bool
    offset: int


class Archive:
    """An open .npz archive; members that are no arrays are passed over.

    Args:
        file: the open archive.
        path: its name, for messages.
        maker: the command that makes it; None for the user's own.
    """

    def __init__(self, file: BinaryIO, path: str | Path, maker: str | None) -> None:
        self._path, self._maker = path, maker
        try:
            self._zip = zipfile.ZipFile(file)
        except _BROKEN as error:
            reason = f"not a whole .npz archive ({one_line(error)}){remake_hint(maker)}"
            raise UserError(f"{path}: {reason}") from None
        self._members: dict[str, zipfile.ZipInfo] = {}
        for member in self._zip.infolist():
            if member.filename.endswith(".npy"):
                name = member.filename.removesuffix(".npy")
                if name in self._members:
                    raise self._error(name, "is there twice")
                self._members[name] = member

    @property
    def names(self) -> list[str]:
        """Names of the arrays, in their order."""
        return list(self._members)

    def header(self, name: str) -> Header:
        """Returns what the array `name` is, without reading it.

        Raises:
            UserError: the member is encrypted, compressed in an unknown way, too large, not an
                array of numbers, or not as long as its header says.
        """
        member = self._members[name]
        self._check_member(name, member)
        with self._errors_of(name), self._zip.open(member) as stream:
            header = self._header(name, stream)
        needed = header.offset + header.dtype.itemsize * math.prod(header.shape)
        if needed != member.file_size:
            what = f"{header.dtype} of shape {header.shape} needs {needed} bytes"
            raise self._error(name, f"{what}, found {member.file_size}")
        return header

    def array(self, name: str) -> np.ndarray:
        """Returns the array `name`; errors as `header`, and one for damaged content."""
        header = self.header(name)
        flat = np.empty(math.prod(header.shape), header.dtype)
        content = flat.view(np.uint8).data
        with self._errors_of(name), self._zip.open(self._members[name]) as stream:
            stream.read(header.offset)
            filled = 0
            while block := stream.read(min(2**20, len(content) - filled)):
                content[filled : filled + len(block)] = block
                filled += len(block)
            if filled < len(content):
                raise EOFError("it ends early")
        if header.fortran_order:
            return flat.reshape(header.shape[::-1]).transpose()
        return flat.reshape(header.shape)

    def _check_member(self, name: str, member: zipfile.ZipInfo) -> None:
        if member.flag_bits & _ENCRYPTED:
            raise self._error(name, "is encrypted; write it without a password")
        if member.compress_type not in _METHODS:
            raise self._error(
                name,
                f"is compressed by method {member.compress_type}; only what np.savez and "
                "np.savez_compressed write is read",
            )
        limit = min(MAX_BYTES, _physical_memory())
        if member.file_size > limit:
            raise self._error(name, f"has {member.file_size} bytes, at most {limit} can be held")
        if member.file_size > _METHODS[member.compress_type] * member.compress_size:
            sizes = f"{member.compress_size} bytes to give {member.file_size}"
            raise self._error(name, f"claims {sizes}, which is impossible")

    def _header(self, name: str, stream: IO[bytes]) -> Header:
        start = stream.read(len(NPY_MAGIC) + 2)
        form = _HEADER_LENGTHS.get(start[-2]) if len(start) == len(NPY_MAGIC) + 2 else None
        if not start.startswith(NPY_MAGIC) or form is None:
            raise self._error(name, f"is not an array ({described(start)})")
        (length,) = struct.unpack(form, stream.read(struct.calcsize(form)))
        text = stream.read(length) if length <= _MAX_HEADER else b""
        offset = len(start) + struct.calcsize(form) + length
        header = _parsed(text.decode("latin-1"), offset)
        if header is None:
            raise self._error(name, "must be an array of plain numbers, never of Python objects")
        return header

    @contextlib.contextmanager
    def _errors_of(self, name: str) -> Iterator[None]:
        try:
            yield
        except UserError:
            raise
        except _BROKEN as error:
            raise self._error(name, f"cannot be read ({one_line(error)})") from None

    def _error(self, name: str, rule: str) -> UserError:
        return UserError(f"{self._path}: {name!r} {rule}{remake_hint(self._maker)}")


@contextlib.contextmanager
def opened_npz(path: str | Path, maker: str | None) -> Iterator[Archive]:
    """Yields an open .npz archive.

    Args:
        path: of the archive.
        maker: the command that makes it, for messages; None for the user's own.

    Raises:
        Missing: there is no such file.
        UserError: it cannot be read, or is not such an archive.
    """
    with opened(path, maker) as file:
        head = file.read(_MAX_HEADER)
        file.seek(0)
        if not head.startswith(b"PK"):
            raise UserError(f"{path}: not a .npz archive, {described(head)}{remake_hint(maker)}")
        yield Archive(file, path, maker)


def _parsed(text: str, offset: int) -> Header | None:
    """The header of a .npy file, a literal of Python; None for anything but plain numbers."""
    try:
        fields = ast.literal_eval(text.strip())
        descr, shape, fortran = (fields[key] for key in ("descr", "shape", "fortran_order"))
        if not _TYPE.fullmatch(descr) or not isinstance(fortran, bool):
            return None
        if not all(type(size) is int and size >= 0 for size in shape) or len(shape) > 32:
            return None
        return Header(np.dtype(descr), tuple(shape), fortran, offset)
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError):
        return None


def _physical_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

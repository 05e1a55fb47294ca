"""Public files, known by their hash: used where they lie already, else downloaded.

A download goes to .NAME.part, which survives a kill and is resumed, and gets its name once its
hash is right. `transfer` speaks to servers; `sources` says which files a data set has.
"""

# Not pooch: it starts again where a connection breaks, so that a slow line never gets CIFAR-10's
# 170 MB, leaves tmpXXXX behind when killed, and does not know a .gz by the hash of its content.

import contextlib
import gzip
import hashlib
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from filelock import FileLock

from ncsn.base.errors import UserError
from ncsn.data.listing import is_file, unreadable
from ncsn.data.readers import GZIP_MAGIC
from ncsn.data.transfer import check_address, disk_errors, reason_incomplete

TIMEOUT_SEC = 30.0


class RemoteFile(NamedTuple):
    """A public file.

    Attributes:
        name: its name on every mirror.
        sha256: hexadecimal.
        hash_of: "file", or "content" for the uncompressed content of a .gz: mirrors compress anew,
            and a local copy may be uncompressed already.
    """

    name: str
    sha256: str
    hash_of: Literal["file", "content"]


def fetched_files(
    files: Sequence[RemoteFile],
    subfolder: str,
    root: str | Path,
    mirrors: Sequence[str],
    timeout_sec: float = TIMEOUT_SEC,
    *,
    otherwise: str = "give an address in data.mirrors",
) -> list[Path]:
    """Returns where each file lies, after downloading those that are not there yet.

    A file is looked for in ROOT/SUBFOLDER and in ROOT, under its name and, where the hash is of
    the content, without .gz. Downloads land in ROOT/SUBFOLDER.

    Args:
        files: what is needed.
        subfolder: of the files, which bears the name of their data set.
        root: folder of all data sets.
        mirrors: addresses of folders, tried in this order.
        timeout_sec: longest silence of a server, in seconds.
        otherwise: what a user without network can do besides putting the files there.

    Returns:
        A path for each file, in the order of `files`.

    Raises:
        UserError: an address is not https, a local file has a wrong hash (it stays), the disk
            refuses a write, or no mirror gave a file; the message then names what is missing, each
            address with its reason, and the folder to put the files in.
    """
    for mirror in mirrors:
        check_address(mirror)
    folders = Path(root) / subfolder, Path(root)
    found = local_files(files, subfolder, root)
    missing = [file.name for file, path in zip(files, found, strict=True) if path is None]
    try:
        return [
            path or _downloaded(file, folders, mirrors, timeout_sec)
            for file, path in zip(files, found, strict=True)
        ]
    except _Unreachable as error:
        raise UserError(
            f"{error}\nPut {', '.join(missing)} into {folders[0]}, or {otherwise}"
        ) from None


def local_files(
    files: Sequence[RemoteFile], subfolder: str, root: str | Path
) -> list[Path | None]:
    """Returns where each file lies already, None for one that is not there.

    Arguments as in `fetched_files`.

    Raises:
        UserError: a file has a wrong hash (it stays), or cannot be read.
    """
    folders = Path(root) / subfolder, Path(root)
    return [_local_file(file, folders) for file in files]


def file_hash(path: Path, hash_of: Literal["file", "content"]) -> str:
    """Returns the SHA-256 of a file or of its uncompressed content, or why there is none.

    Compressed content is known by its first bytes, not by the name: some tools uncompress a file
    while they copy it and keep the name.
    """
    try:
        with open(path, "rb") as file:
            is_gzip = hash_of == "content" and file.read(2) == GZIP_MAGIC
        with gzip.open(path) if is_gzip else open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return "none, it is not a whole gzip file"
    except OSError as error:
        raise unreadable(path, error) from None


class _Unreachable(Exception):
    """No mirror gave a file; the message has each address with its reason."""


def _local_file(file: RemoteFile, folders: Sequence[Path]) -> Path | None:
    names = [file.name]
    if file.hash_of == "content":
        names.append(file.name.removesuffix(".gz"))
    for path in (folder / name for folder in folders for name in names):
        if is_file(path):
            found = file_hash(path, file.hash_of)
            if found != file.sha256:
                raise UserError(
                    f"{path}: is not the {file.name} that is needed: SHA-256 of the "
                    f"{file.hash_of} must be {file.sha256}, found {found}. Move it away, and it "
                    "is downloaded"
                )
            return path
    return None


def _downloaded(
    file: RemoteFile, folders: Sequence[Path], mirrors: Sequence[str], timeout_sec: float
) -> Path:
    """Downloads a file into the first of the folders, once for all processes that want it."""
    target = folders[0] / file.name
    part = target.with_name(f".{file.name}.part")
    lock = FileLock(target.with_name(f".{file.name}.lock"))
    with contextlib.ExitStack() as stack:
        with disk_errors(part):
            target.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock)
        if path := _local_file(file, folders):  # another process has downloaded it meanwhile
            return path
        reasons = []
        for mirror in mirrors:
            address = f"{mirror.rstrip('/')}/{file.name}"
            reason = _reason_against(address, part, file, timeout_sec)
            if reason is None:
                os.replace(part, target)
                return target
            reasons.append(f"  {address}: {reason}")
    searched = " nor in ".join(map(str, folders))
    head = f"{file.name} is neither in {searched}, and could not be downloaded:"
    raise _Unreachable("\n".join([head, *reasons]))


def _reason_against(address: str, part: Path, file: RemoteFile, timeout_sec: float) -> str | None:
    """Completes `part` from `address`; None when its hash is right, else why it is not."""
    # A wrong hash may come from what was in the part before: thrown away, fetched once more.
    for _ in range(2):
        reason = reason_incomplete(address, part, timeout_sec)
        if reason is not None:
            return reason
        found = file_hash(part, file.hash_of)
        if found == file.sha256:
            return None
        part.unlink()
    return f"SHA-256 of the {file.hash_of} must be {file.sha256}, found {found}"

"""Files of public data sets: looked for in data.root first, else downloaded; known by their hash.

A download goes to .NAME.part, which survives a kill and is resumed, and gets its name once its
hash is right. `transfer` speaks to servers; `sources` says which files there are.
"""

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
from ncsn.data.readers import GZIP_MAGIC
from ncsn.data.transfer import check_address, disk_errors, reason_incomplete

TIMEOUT_SEC = 30.0


class RemoteFile(NamedTuple):
    """A file of a public data set.

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
    data_set: str,
    root: str | Path,
    mirrors: Sequence[str],
    timeout_sec: float = TIMEOUT_SEC,
) -> list[Path]:
    """Returns where each file lies, after downloading those that are not there yet.

    A file is looked for in ROOT/DATA_SET and in ROOT, under its name and, where the hash is of the
    content, without .gz. Downloads land in ROOT/DATA_SET.

    Args:
        files: the files of the data set.
        data_set: its name, that of the subfolder.
        root: folder of all data sets.
        mirrors: addresses of folders, tried in this order.
        timeout_sec: longest silence of a server, in seconds.

    Returns:
        A path for each file, in the order of `files`.

    Raises:
        UserError: an address is not https, a local file has a wrong hash (it stays), the disk
            refuses a write, or no mirror gave a file; the message then names what is missing, each
            address with its reason, and the folder to put the files in.
    """
    for mirror in mirrors:
        check_address(mirror)
    found = [_local_file(file, data_set, Path(root)) for file in files]
    missing = [file for file, path in zip(files, found, strict=True) if path is None]
    return [
        path or _downloaded(file, data_set, Path(root), mirrors, timeout_sec, missing)
        for file, path in zip(files, found, strict=True)
    ]


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
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def _local_file(file: RemoteFile, data_set: str, root: Path) -> Path | None:
    names = [file.name]
    if file.hash_of == "content":
        names.append(file.name.removesuffix(".gz"))
    for path in (folder / name for folder in (root / data_set, root) for name in names):
        if path.is_file():
            found = file_hash(path, file.hash_of)
            if found != file.sha256:
                raise UserError(
                    f"{path}: is not the {file.name} of {data_set}: SHA-256 of the "
                    f"{file.hash_of} must be {file.sha256}, found {found}. Move it away, and it "
                    "is downloaded"
                )
            return path
    return None


def _downloaded(
    file: RemoteFile,
    data_set: str,
    root: Path,
    mirrors: Sequence[str],
    timeout_sec: float,
    missing: Sequence[RemoteFile],
) -> Path:
    target = root / data_set / file.name
    part = target.with_name(f".{file.name}.part")
    lock = FileLock(target.with_name(f".{file.name}.lock"))
    with contextlib.ExitStack() as stack:
        with disk_errors(part):
            target.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(lock)
        if path := _local_file(file, data_set, root):  # by another process, meanwhile
            return path
        reasons = []
        for mirror in mirrors:
            address = f"{mirror.rstrip('/')}/{file.name}"
            reason = _reason_against(address, part, file, timeout_sec)
            if reason is None:
                os.replace(part, target)
                return target
            reasons.append(f"  {address}: {reason}")
    raise UserError(
        f"{data_set}: {file.name} is neither in {target.parent} nor in {root}, and could not be "
        "downloaded:\n" + "\n".join(reasons) + f"\nPut {', '.join(f.name for f in missing)} into "
        f"{target.parent}, or give an address in data.mirrors"
    )


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

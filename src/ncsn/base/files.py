"""Files that appear whole or not at all, in the few formats of the pipeline.

Everything is written in a hidden folder beside its place and renamed. Arrays never hold pickles.
NumPy is imported where arrays are read or written: stages without any run at every `dvc repro`.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncsn.base.errors import UserError
from ncsn.base.marked import mark_folder, refuse_foreign
from ncsn.base.reading import read_text, remake_hint
from ncsn.base.staging import staging_folder

if TYPE_CHECKING:
    import numpy as np

REPRO = "`dvc repro`"  # makes every file of the pipeline


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path that is renamed to `path` when the block ends without an error."""
    path = Path(path)
    with staging_folder(path) as place:
        partial = place / path.name
        partial.touch()
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)


@contextlib.contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Yields an empty folder that replaces `path` when the block ends without an error.

    It then has a mark inside, by which it may be replaced again.

    Raises:
        UserError: what lies at `path` was not made here.
    """
    path = Path(path)
    refuse_foreign(path)
    with staging_folder(path) as place:
        partial = place / path.name
        partial.mkdir()
        yield partial
        mark_folder(partial)
        refuse_foreign(path)
        if path.exists():
            os.replace(path, place / f"{path.name}.old")
        os.replace(partial, path)


def write_json(path: str | Path, value: Mapping[str, Any]) -> None:
    """Writes `value` as indented JSON; a NaN or an infinity is a ValueError."""
    text = json.dumps(value, indent=2, allow_nan=False)
    with whole_file(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def read_json(path: str | Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        Missing: there is no such file.
        UserError: it cannot be read, or holds something else than one JSON object.
    """
    return _json_object(read_text(path, REPRO), str(path))


def write_jsonl(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes one JSON object per line."""
    with whole_file(path) as partial, open(partial, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def read_jsonl(path: str | Path) -> list[dict[str, Any]]:
    """Reads one JSON object per line; a last line without its newline is left out.

    Raises:
        Missing: there is no such file.
        UserError: it cannot be read, or a line is no JSON object.
    """
    lines = read_text(path, REPRO).split("\n")[:-1]
    return [_json_object(line, f"{path}, line {n}") for n, line in enumerate(lines, 1)]


def write_npz(path: str | Path, **arrays: "np.ndarray") -> None:
    """Writes named arrays to a .npz archive without pickles."""
    import numpy as np

    with whole_file(path) as partial, open(partial, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_npz(path: str | Path) -> dict[str, "np.ndarray"]:
    """Reads all arrays of a .npz archive into memory.

    Raises:
        Missing: there is no such file.
        UserError: it cannot be read, or holds something else than arrays of plain numbers.
    """
    from ncsn.base.npz import opened_npz

    with opened_npz(path, REPRO) as archive:
        return {name: archive.array(name) for name in archive.names}


def file_sha256(path: str | Path) -> str:
    """Returns the hexadecimal SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json_object(text: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError) as error:  # an integer of 5,000 digits is a ValueError too
        raise UserError(f"{where} is not JSON ({error}){remake_hint(REPRO)}") from None
    if not isinstance(value, dict):
        found = type(value).__name__
        raise UserError(f"{where}: must be a JSON object, found {found}{remake_hint(REPRO)}")
    return value


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no number")

"""Files that appear whole or not at all, in the few formats of the pipeline.

Everything is written in a hidden folder beside its place and renamed. Arrays never hold pickles.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ncsn.errors import UserError
from ncsn.marked import mark_folder, refuse_foreign
from ncsn.workshop import workshop


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path that is renamed to `path` when the block ends without an error."""
    path = Path(path)
    with workshop(path) as place:
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
    with workshop(path) as place:
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
        partial.write_text(text + "\n")


def read_json(path: str | Path) -> dict[str, Any]:
    """Reads a JSON object; UserError names a file that is missing or broken."""
    try:
        value: dict[str, Any] = json.loads(Path(path).read_text())
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro` makes it") from None
    except json.JSONDecodeError as error:
        raise UserError(f"{path} is not JSON ({error}); delete it and run `dvc repro`") from None
    return value


def write_jsonl(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes one JSON object a line."""
    with whole_file(path) as partial, open(partial, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def read_jsonl(path: str | Path) -> list[dict[str, Any]]:
    """Reads one JSON object a line; a last line without its newline is left out."""
    return [
        json.loads(line)
        for line in Path(path).read_text().splitlines(keepends=True)
        if line.endswith("\n")
    ]


def write_npz(path: str | Path, **arrays: np.ndarray) -> None:
    """Writes named arrays to a .npz archive without pickles."""
    with whole_file(path) as partial, open(partial, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """Reads all arrays of a .npz archive into memory; pickled objects are refused."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise UserError(f"{path} is missing; `dvc repro` makes it") from None


def file_sha256(path: str | Path) -> str:
    """Returns the hexadecimal SHA-256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

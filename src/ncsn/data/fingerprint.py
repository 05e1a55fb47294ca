"""Fingerprints of the user's files that decide results, and that neither git nor DVC tracks.

The content counts: a file that was touched or copied is the same file. Hashes are kept
with sizes and times, so that only changed files are read again; without them all are read.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ncsn.base.errors import UserError
from ncsn.base.files import whole_file
from ncsn.base.outside import existing
from ncsn.base.records import FilesRecord, read_record
from ncsn.config.params import DataParams, ReferenceParams
from ncsn.data import celeba
from ncsn.data.listing import File, file_entry, listed, unreadable

_THREADS, _CHUNK = 2, 250  # two threads keep a disk busy; with more, small files are slower
_WHOLE = 1 << 20  # bytes up to which a file is read in one piece
_SETTLED_NS = 2_000_000_000  # within this time a second change may leave the times equal


def data_fingerprint(params: DataParams, memory: Path) -> dict[str, Any]:
    """Returns a fingerprint of the user's images; empty for data that are known by their hash.

    It changes with the names and the content of images, with the names of other files beside
    them, and with CelebA's list of splits. It does not depend on the folder's place or on times.

    Args:
        params: which data.
        memory: a file for what was read; it may be deleted at any time.

    Raises:
        UserError: data.path is missing, or something in it cannot be read.
    """
    if params.name == "npz":
        return _file_fingerprint(existing("data.path", params.path, "file"), memory)
    if params.name not in ("folder", "celeba"):
        return {}
    root = existing("data.path", params.path, "folder")
    if params.name == "folder":
        return _folder_fingerprint(root, memory)
    images = celeba.image_folder(root)
    partition = celeba.partition_file(images)
    found = _folder_fingerprint(images, memory)
    return found | ({"partition": _sha256(partition, 0)} if partition else {})


def weights_fingerprint(params: ReferenceParams, memory: Path) -> dict[str, Any]:
    """Returns a fingerprint of the user's Inception weights; empty where the user gives none.

    Arguments and errors are those of `data_fingerprint`, with reference.weights_path.
    """
    if params.extractor != "inception-v3-compat" or params.weights_path is None:
        return {}
    path = existing("reference.weights_path", params.weights_path, "file")
    return _file_fingerprint(path, memory)


def _file_fingerprint(path: Path, memory: Path) -> dict[str, Any]:
    entry = file_entry(path)
    (sha256,) = _contents(path.parent, [entry], memory)
    return {"files": 1, "bytes": entry.size, "sha256": sha256}


def _folder_fingerprint(root: Path, memory: Path) -> dict[str, Any]:
    """Other files than images count by name alone, as `prepare` only counts them."""
    found = listed(root)
    images = [file for file in found.files if file.is_image]
    others = [file.name for file in found.files if not file.is_image]
    names = [(image.name, image.is_linked) for image in images]
    contents = _contents(root, images, memory)
    parts = [names, contents, others, found.folders, sorted(found.passed_over.items())]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    num_bytes = sum(image.size for image in images)
    return {"files": len(images), "bytes": num_bytes, "sha256": digest}


def _contents(root: Path, files: Sequence[File], memory: Path) -> list[str]:
    """SHA-256 of each file, in the order of `files`; writes the memory if a file was read."""
    begin, known = time.time_ns(), _remembered(memory, root)
    changed = [file for file in files if known.get(file.name, [])[:3] != _state(file)]
    if not changed:
        return [known[file.name][3] for file in files]
    fresh = _hashed(root, changed)
    hashes = {file.name: fresh.get(file.name) or known[file.name][3] for file in files}
    settled = [file for file in files if file.times[1] < begin - _SETTLED_NS]
    remembered = {file.name: [*_state(file), hashes[file.name]] for file in settled}
    with whole_file(memory) as partial:  # without indents: several times faster
        partial.write_text(json.dumps({"root": str(root.absolute()), "files": remembered}))
    return list(hashes.values())


def _state(file: File) -> list[int]:
    return [file.size, *file.times]


def _remembered(memory: Path, root: Path) -> Mapping[str, list[Any]]:
    if not memory.exists():
        return {}
    with suppress(UserError):  # a broken memory counts as none
        value = read_record(memory, FilesRecord)
        if value.get("root") == str(root.absolute()):
            files: dict[str, list[Any]] = value["files"]
            return files
    return {}


def _hashed(root: Path, files: Sequence[File]) -> dict[str, str]:
    """SHA-256 by name, read in two threads, because most of the time is waiting for the disk."""
    from tqdm import tqdm  # imported here because most runs have nothing to read

    chunks = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
    hashes: dict[str, str] = {}
    pool = ThreadPoolExecutor(_THREADS)
    try:
        with tqdm(total=len(files), unit="file", delay=2, disable=None) as bar:
            for found in pool.map(partial(_hashed_chunk, root), chunks):
                hashes |= found
                bar.update(len(found))
    finally:
        pool.shutdown(cancel_futures=True)
    return hashes


def _hashed_chunk(root: Path, files: Sequence[File]) -> dict[str, str]:
    return {file.name: _sha256(root / file.name, file.size) for file in files}


def _sha256(path: Path, size: int) -> str:
    try:
        with open(path, "rb", buffering=0) as file:
            if size > _WHOLE:
                return hashlib.file_digest(file, "sha256").hexdigest()
            return hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        raise unreadable(path, error) from None

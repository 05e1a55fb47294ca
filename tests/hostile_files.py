"""Broken forms of a good file, made up on the spot: the same ones every time."""

import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ncsn.base.errors import UserError

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGE = b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n"
VALUES = [None, True, -1, 0, 2.5, "text", "", [], [[]], {}, {"a": 1}, 10**400, "NaN!"]
BAD_ADVICE = ("allow_pickle", "weights_only", "max_header_size", "Traceback")


def broken_bytes(content: bytes, seed: int = 0, count: int = 4) -> Iterator[tuple[str, bytes]]:
    """Cut, with flipped bits, in other encodings, and what is no such file at all."""
    rng = random.Random(seed)
    for _ in range(count):
        at = rng.randrange(len(content))
        yield f"cut at {at}", content[:at]
    for _ in range(count):
        flipped = bytearray(content)
        for _ in range(rng.choice([1, 8])):
            flipped[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        yield "bits flipped", bytes(flipped)
    yield from [("empty", b""), ("pointer", POINTER), ("page", PAGE), ("zeros", bytes(512))]
    yield from [("noise", rng.randbytes(512)), ("utf-16", b"\xff\xfe" + content[:99]),
                ("latin-1", b"\xe4" + content), ("twice", content + content)]  # fmt: skip


def broken_json(content: bytes, seed: int = 0, count: int = 11) -> Iterator[tuple[str, bytes]]:
    """With keys missing, values of other types, sizes and signs, nested without end."""
    rng = random.Random(seed)
    yield from [("deep", b'{"a": ' * 9000), ("deep list", b"[" * 9000), ("list", b"[1, 2]")]
    yield from [("null", b"null"), ("digits", b'{"a": ' + b"9" * 9000 + b"}")]
    for _ in range(count):
        value = json.loads(content)
        parent, key = rng.choice(list(_places(value)))
        if rng.random() < 0.4:
            del parent[key]
            yield f"without {key}", json.dumps(value).encode()
        else:
            parent[key] = rng.choice(VALUES)
            text = json.dumps(value).replace('"NaN!"', "NaN")
            yield f"{key} is {str(parent[key])[:9]}", text.encode()


def broken_npz(content: bytes) -> Iterator[tuple[str, bytes]]:
    """With arrays missing, of other types and shapes, pickled, and with headers that lie."""
    arrays = dict(np.load(io.BytesIO(content)))
    yield "nothing", npz_bytes({})
    for name, array in arrays.items():
        others = {key: value for key, value in arrays.items() if key != name}
        yield f"without {name}", npz_bytes(others)
        for what, other in {
            "floats": array.astype(np.float16),
            "strings": np.array(["a", "b"]),
            "one more axis": array[None],
            "empty": array.reshape(-1)[:0],
            "a number": np.array(3),
            "half": array[: len(array) // 2] if array.ndim else array,
            "objects": np.array([{}], object),
            "complex": array.astype(complex),
        }.items():
            yield f"{name}: {what}", npz_bytes(others | {name: other})
        for what, member in broken_npy(array).items():
            yield f"{name}: {what}", npz_bytes(others, {name: member})


def broken_npy(array: np.ndarray) -> dict[str, bytes]:
    """The bytes of an array under headers that do not fit them."""
    huge, pair = (10**12, 10**6), (10**6, 10**4)
    return {
        "claims petabytes": npy_bytes(array, shape=huge),
        "claims gigabytes": npy_bytes(array, shape=pair),
        "negative": npy_bytes(array, shape=(-1, 4)),
        "objects": npy_bytes(array, descr="|O"),
        "no header": npy_bytes(array)[10:],
        "code as header": npy_bytes(array, text="__import__('os').getcwd()"),
        "deep header": npy_bytes(array, text="(" * 3000),
        "other version": b"\x93NUMPY\x09\0" + npy_bytes(array)[8:],
        "text": b"no array",
    }


def npy_bytes(array: np.ndarray, text: str | None = None, **changes: Any) -> bytes:
    """An array in the .npy format, its header changed or replaced."""
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape} | changes
    line = (text or str(header)).encode() + b"\n"
    return b"\x93NUMPY\1\0" + len(line).to_bytes(2, "little") + line + array.tobytes()


def npz_bytes(arrays: dict[str, np.ndarray], raw: dict[str, bytes] | None = None) -> bytes:
    """An archive of arrays, and of members that are given as they are."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=True)
        for name, content in (raw or {}).items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


def outcome(read: Callable[[], Any], *named: Path) -> str:
    """Reads; "value", or "refused" by one line that names a file and gives no bad advice."""
    try:
        read()
    except UserError as error:
        text = str(error)
        assert "\n" not in text and len(text) < 700, text
        assert not any(advice in text for advice in BAD_ADVICE), text
        assert any(str(path) in text for path in named), text
        return "refused"
    return "value"


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])

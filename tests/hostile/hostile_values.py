"""Values that no key, or few keys, can have, and files that are not the YAML that is meant.

Everything is made here and nothing is stored or drawn, so the corpus is the same in every run.
"""

import copy
from collections.abc import Iterator
from typing import Any

VALUES: dict[str, Any] = {
    "nan": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "negative": -1,
    "negative real": -0.5,
    "zero": 0,
    "zero real": 0.0,
    "huge": 10**15,
    "huge real": 1e300,
    "hugely negative": -(10**15),
    "denormal": 1e-310,
    "tiny": 1e-300,
    "beyond 64 bits": 10**400,
    "one bit too many": 2**63,
    "fraction": 10.5,
    "whole real": 1e6,
    "nearly one": 1 - 1e-16,
    "true": True,
    "null": None,
    "empty": "",
    "blank": "  ",
    "control character": "a\x00b",
    "two lines": "a\nb",
    "terminal code": "\x1b[31m",
    "lone surrogate": "\ud800",
    "long": "x" * 100_000,
    "number as text": "12",
    "exponent as text": "1e-4",
    "decimal comma": "0,5",
    "sexagesimal": "1:30",
    "word": "many",
    "empty list": [],
    "list": [1],
    "empty mapping": {},
    "mapping": {"a": 1},
    "nested": {"a": {"a": {"a": [[[1]]]}}},
}


def places(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yields the path of every key of nested mappings, the sections themselves too."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield (*place, key)
            yield from places(part, (*place, key))


def replaced(value: dict[str, Any], place: tuple[str, ...], new: Any) -> dict[str, Any]:
    """Returns a copy with `new` at `place`."""
    result = copy.deepcopy(value)
    part = result
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = new
    return result


def broken_files(text: str) -> dict[str, bytes]:
    """Returns files that take the place of `text`, by what is wrong with them."""
    section = text.index("\nnoise:") + 1 if "\nnoise:" in text else 0
    bombs = ["z0: &z0 [" + ",".join("x" * 10) + "]"]
    bombs += [f"z{i}: &z{i} [" + ",".join([f"*z{i - 1}"] * 10) + "]" for i in range(1, 10)]
    added = {
        "object": "z: !!python/object/apply:os.system [touch owned]",
        "binary": "z: !!binary aGk=",
        "set": "z: !!set {a, b}",
        "ordered mapping": "z: !!omap [a: 1]",
        "own tag": "z: !mine 1",
        "date": "z: 2020-01-01",
        "impossible date": "z: 2020-13-45",
        "text as int": "z: !!int many",
        "text as bool": "z: !!bool many",
        "empty int": 'z: !!int ""',
        "text as float": "z: !!float many",
        "five thousand digits": "z: " + "9" * 5000,
        "four hundred digits": "z: 1" + "0" * 400,
        "five thousand hexadecimal digits": "z: 0x" + "f" * 5000,
        "duplicate section": "noise: {}",
        "number as key": "1: 2",
        "null as key": "null: 2",
        "true as key": "true: 2",
        "list as key": "[a]: 2",
        "mapping as key": "? {a: b}\n: c",
        "undefined alias": "z: *nothing",
        "list in itself": "z: &z [*z]",
        "mapping in itself": "z: &z {a: *z}",
        "billion laughs": "\n".join(bombs),
        "merge of a number": "z: {<<: 3}",
        "second document": "z: 1\n---",
        "tab": "z:\n\ta: 1",
        "open list": "z: [",
        "open mapping": "z: {a: 1",
        "open quotes": 'z: "a',
        "bad escape": 'z: "\\q"',
        "bad character number": 'z: "\\U00110000"',
        "colon": "z: a: b",
        "percent": "%YAML 9.9",
        "nested lists": "z: " + "[" * 5000,
        "nested sequences": "z:\n  " + "- " * 5000 + "1",
        "nested mappings": "z: " + "{a: " * 5000,
        "nested questions": "? " * 5000,
        "thirty levels": "z: " + "[" * 30 + "]" * 30,
        "unknown section": "z: {a: 1}",
        "merge conflict": "<<<<<<< HEAD\nz: 1\n=======\nz: 2\n>>>>>>> other",
    }
    files = {name: f"{more}\n{text}".encode() for name, more in added.items()}
    return files | {
        "empty": b"",
        "only comments": b"# nothing\n",
        "null": b"null\n",
        "a list": b"- a\n- b\n",
        "a word": b"word\n",
        "a number": b"3\n",
        "html": b"<!DOCTYPE html><html><body>404</body></html>",
        "git lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "utf-16": text.encode("utf-16"),
        "utf-16 without mark": text.encode("utf-16-le"),
        "utf-32": text.encode("utf-32"),
        "latin-1": (text + "# caf\xe9\n").encode("latin-1"),
        "zero byte": text.encode() + b"z: \0\n",
        "all bytes": bytes(range(256)) * 16,
        "cut off": text.encode()[: section + 3],
        "too large": text.encode() + b"# more\n" * 30_000,
        "control character": text.encode() + b"z: \x07\n",
        "zip": b"PK\x03\x04" + bytes(range(128)),
    }

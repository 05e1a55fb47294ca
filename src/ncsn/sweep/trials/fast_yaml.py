"""YAML at the speed of JSON, for a caller that reads the same texts over and over.

DVC parses params.yaml anew for every stage, several times, and parses and writes all of dvc.lock
after every stage; with a YAML parser in Python that is seconds a trial. Here a text is parsed
once a process, and what is written back is JSON, which is YAML too.
"""

import contextlib
import copy
import functools
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

Parse = Callable[..., Any]


def remembering(parse: Parse) -> Parse:
    """Returns a parser (text, path, typ) that gives copies of what it has parsed before."""

    @functools.lru_cache(maxsize=256)
    def parsed(text: str, path: str, typ: str) -> Any:
        if text.startswith("{"):
            with contextlib.suppress(json.JSONDecodeError):  # YAML has braces of its own
                return json.loads(text)
        return parse(text, path, typ)

    def copied(text: str, path: Any, typ: str = "safe") -> Any:
        return copy.deepcopy(parsed(text, str(path), typ))

    return copied


def modifying(parse: Parse) -> Callable[..., AbstractContextManager[Any]]:
    """Returns a context manager (path, fs) that yields a file's value and writes it as JSON."""

    @contextlib.contextmanager
    def modify(path: Any, fs: Any = None) -> Iterator[Any]:
        file = Path(path)
        value = parse(file.read_text(encoding="utf-8"), path) if file.exists() else {}
        yield value
        file.write_text(json.dumps(value))

    return modify

"""DVC's YAML at the speed of JSON, while a workspace is reproduced.

DVC parses params.yaml anew for every stage, several times, and parses and writes all of dvc.lock
after every stage; with a YAML parser in Python that is seconds a trial. Here a text is parsed
once a process, and dvc.lock is written as JSON, which is YAML too.
"""

import contextlib
import copy
import functools
import importlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from dvc.utils.serialize import _yaml as dvc_yaml

_original = dvc_yaml.parse_yaml


@contextlib.contextmanager
def fast_yaml() -> Iterator[None]:
    """Changes how DVC reads YAML and writes dvc.lock while the block runs."""
    places: list[tuple[str, str, Callable[..., Any]]] = [
        ("dvc.utils.serialize._yaml", "parse_yaml", _parse),
        ("dvc.utils.strictyaml", "parse_yaml", _parse),
        ("dvc.dvcfile", "modify_yaml", _modify),
    ]
    before = []
    for module_name, name, function in places:
        module = importlib.import_module(module_name)
        before.append((module, name, getattr(module, name)))
        setattr(module, name, function)
    try:
        yield
    finally:
        for module, name, function in before:
            setattr(module, name, function)


def _parse(text: str, path: Any, typ: str = "safe") -> Any:
    return copy.deepcopy(_parsed(text, str(path), typ))


@functools.lru_cache(maxsize=256)
def _parsed(text: str, path: str, typ: str) -> Any:
    if text.startswith("{"):
        with contextlib.suppress(json.JSONDecodeError):  # YAML has braces of its own
            return json.loads(text)
    return _original(text, path, typ)


@contextlib.contextmanager
def _modify(path: Any, fs: Any = None) -> Iterator[Any]:
    file = Path(path)
    data = _parse(file.read_text(), path) if file.exists() else {}
    yield data
    file.write_text(json.dumps(data))

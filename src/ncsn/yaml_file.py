"""YAML files: read as YAML 1.2, changed without touching comments, order or blank lines.

DVC writes floats as `2e-05`; a YAML 1.1 reader such as PyYAML takes that for a string.
"""

import copy
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.comments import CommentedMap

from ncsn.errors import UserError
from ncsn.io import whole_file


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Reads a mapping as plain Python values.

    Raises:
        UserError: the file is missing, is not YAML, or holds something else than a mapping.
    """
    return {**_loaded(_plain, path)}


def read_commented(path: str | Path) -> CommentedMap:
    """Reads a mapping together with its comments; errors as `read_yaml`."""
    return _loaded(_round_trip().load, path)


def write_commented(path: str | Path, document: CommentedMap) -> None:
    """Writes what `read_commented` returned, with its comments."""
    with whole_file(path) as partial, open(partial, "w", encoding="utf-8") as file:
        _round_trip().dump(document, file)


class EndComment(NamedTuple):
    """The comment at the end of a key's line: its text without '#', and its column."""

    text: str
    column: int


def end_comment(mapping: CommentedMap, key: str) -> EndComment | None:
    """Returns the comment at the end of a key's line, or None."""
    item = mapping.ca.items.get(key)
    line = item[2].value.partition("\n")[0].strip() if item and item[2] else ""
    if not line:
        return None
    return EndComment(line.lstrip("# "), item[2].start_mark.column)


def set_end_comment(mapping: CommentedMap, key: str, comment: EndComment) -> None:
    """Sets the comment at the end of a key's line; comment lines and blank lines below stay."""
    item = mapping.ca.items.get(key)
    if item and item[2] is not None:
        below = item[2].value.partition("\n")[2]
        item[2].value = f"# {comment.text}\n{below}"
        item[2].start_mark.column = comment.column
    else:
        mapping.yaml_add_eol_comment(comment.text, key, comment.column)


def set_values(document: CommentedMap, values: Mapping[str, Any]) -> None:
    """Sets dotted keys that the document has to new values.

    Raises:
        KeyError: the document has no such key.
    """
    for dotted, value in values.items():
        *sections, key = dotted.split(".")
        mapping = document
        for section in sections:
            mapping = mapping[section]
        if key not in mapping:
            raise KeyError(dotted)
        mapping[key] = value


def _round_trip() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 200
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(
        type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _plain(text: str) -> Any:
    return copy.deepcopy(_parsed(text))


@functools.lru_cache(maxsize=16)  # a parser in Python takes a tenth of a second for dvc.yaml
def _parsed(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def _loaded(load: Callable[[str], Any], path: str | Path) -> Any:
    try:
        value = load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = "run this command from the project's top folder"
        raise UserError(f"{path} is missing; {hint}") from None
    except YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: must hold keys with values, got {type(value).__name__}")
    return value

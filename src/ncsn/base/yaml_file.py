"""YAML files: read as YAML 1.2, changed without touching comments, order or blank lines.

DVC writes floats as `2e-05`; a YAML 1.1 reader such as PyYAML takes that for a string. Only what
JSON knows too is read: text, numbers, true, false, null, lists and mappings with text as keys.
"""

import copy
import functools
import io
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from ncsn.base.errors import UserError, shown
from ncsn.base.files import whole_file

MAX_BYTES = 128 * 1024  # ten times the largest of ours; a parser in Python takes seconds for more
MAX_DEPTH = 20  # a study needs 7
MAX_VALUES = 100_000  # where aliases are written out, so that a small file cannot hold billions
_DEEP = re.compile(rf"(?:[\[{{]\s*){{{MAX_DEPTH + 1}}}")  # the parser takes minutes for it
_WITH_EXPONENT = 1e-3  # below it numbers are written with one
_BITS = 64  # of whole numbers, as those of DVC's and MLflow's databases
_JSON_TAGS = ("null", "bool", "int", "float", "str", "seq", "map")


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Reads a mapping as plain Python values.

    Raises:
        UserError: the file is missing or cannot be read, is not YAML of the kind described above,
            or holds something else than a mapping.
    """
    return copy.deepcopy(_parsed(_text(path), str(path)))


def read_commented(path: str | Path) -> CommentedMap:
    """Reads a mapping together with its comments; errors as `read_yaml`."""
    text = _text(path)
    _parsed(text, str(path))
    document: CommentedMap = _round_trip().load(text)
    return document


def write_commented(path: str | Path, document: CommentedMap) -> None:
    """Writes what `read_commented` returned, with its comments."""
    text = _dumped(document)
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def plain_values(document: CommentedMap, path: str | Path) -> dict[str, Any]:
    """Returns the values that a reader of the written document gets; errors as `read_yaml`."""
    return copy.deepcopy(_parsed(_dumped(document), str(path)))


def spelled(value: Any) -> Any:
    """Returns a value that is written as our files write it: small numbers as 1.0e-04, not 0.0001.

    A reader of YAML 1.1 takes that for a number too, which `1e-4` is not to it.
    """
    if type(value) is not float or not 0 < abs(value) < _WITH_EXPONENT:
        return value
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    first, *rest = digits
    power = int(exponent) + len(rest)
    text = f"{'-' * sign}{first}.{''.join(map(str, rest)) or 0}e{power:+03d}"
    document = _round_trip().load(f"x: {text}")
    # ruamel.yaml keeps 15 digits of a number whose form it keeps
    return document["x"] if float(_dumped(document).split()[1]) == value else value


def one_line(values: Mapping[str, Any]) -> CommentedMap:
    """Returns a mapping that is written in one line, as {a: 1, b: 2}."""
    mapping = CommentedMap(values)
    mapping.fa.set_flow_style()
    return mapping


class EndComment(NamedTuple):
    """The comment at the end of a key's line: its text without '#', and its column."""

    text: str
    column: int


def yaml_value(text: str, source: str) -> Any:
    """Returns the value that `text` would be behind a key; errors as `read_yaml`, for `source`."""
    return copy.deepcopy(_parsed(f"value: {text}", source))["value"]


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


def _round_trip() -> YAML:
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 200
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(
        type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _dumped(document: CommentedMap) -> str:
    stream = io.StringIO()
    _round_trip().dump(document, stream)
    return stream.getvalue()


def _text(path: str | Path) -> str:
    """The file's text; a mark of the byte order is no part of it."""
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            what = "a folder" if path.is_dir() else "no regular file"
            raise UserError(f"{path} is {what}; a YAML file belongs there")
        content = path.read_bytes()
    except FileNotFoundError:
        hint = "run this command from the project's top folder"
        raise UserError(f"{path} is missing; {hint}") from None
    except PermissionError:
        raise UserError(f"{path} cannot be read: no permission; `chmod u+r {path}`") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        rule = f"must be at most {MAX_BYTES}; is it the right file?"
        raise UserError(f"{path}: its {len(content)} bytes {rule}")
    return _decoded(content, path)


def _decoded(content: bytes, path: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        byte = f"line {line} has the byte 0x{content[error.start]:02x}"
        raise UserError(f"{path} is not UTF-8 ({byte}); save it as UTF-8") from None


class _JsonConstructor(SafeConstructor):
    """Makes nothing but what JSON knows; dates, sets and objects are refused with their line."""

    def construct_undefined(self, node: Any) -> Any:
        tag = str(node.tag).replace("tag:yaml.org,2002:", "!!")
        rule = "only text, numbers, true, false, null, lists and mappings; quote what is text"
        raise ConstructorError(None, None, f"a value of the kind {tag}: {rule}", node.start_mark)


_JsonConstructor.yaml_constructors = {
    **{
        tag: SafeConstructor.yaml_constructors[tag]
        for tag in (f"tag:yaml.org,2002:{name}" for name in _JSON_TAGS)
    },
    None: _JsonConstructor.construct_undefined,
}


@functools.lru_cache(maxsize=16)  # a parser in Python takes a tenth of a second for dvc.yaml
def _parsed(text: str, path: str) -> Any:
    if _DEEP.search(text):
        raise UserError(f"{path}: nested deeper than {MAX_DEPTH} levels")
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _JsonConstructor
    try:
        value = yaml.load(text)
    except YAMLError as error:
        raise UserError(f"{path} is not valid YAML: {_problem(error, text)}") from None
    except RecursionError:
        raise UserError(f"{path}: nested deeper than {MAX_DEPTH} levels") from None
    except (ValueError, LookupError):  # a tag that does not fit, or too many digits for Python
        rule = (
            "a number of thousands of digits, or a value that does not fit its tag (!!int, !!bool)"
        )
        raise UserError(f"{path} is not valid YAML: {rule}") from None
    if not isinstance(value, dict):
        found = "is empty" if value is None else f"holds a {type(value).__name__}"
        raise UserError(f"{path} {found}; must hold keys with values (key: value)")
    _check_values(value, path)
    return value


def _problem(error: YAMLError, text: str) -> str:
    """What is wrong and where, in one line and without the library's advice."""
    if isinstance(error, ReaderError):
        line = text[: error.position].count("\n") + 1
        return f"line {line}: a control character (U+{ord(text[error.position]):04X}); delete it"
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: " if mark else ""
        return place + " ".join(str(error.problem or error.context).split())
    return " ".join(str(error).split())


def _check_values(value: Any, path: str) -> None:
    """Refuses what no key of this project can hold, counting an alias at each of its uses."""
    to_do: list[tuple[Any, tuple[str, ...]]] = [(value, ())]
    count = 0
    while to_do:
        part, place = to_do.pop()
        key, count = ".".join(place), count + 1
        if count > MAX_VALUES:
            raise UserError(f"{path}: more than {MAX_VALUES} values, aliases written out")
        if len(place) > MAX_DEPTH:
            raise UserError(f"{path}: {place[0]}: nested deeper than {MAX_DEPTH} levels")
        if isinstance(part, int) and part.bit_length() > _BITS:
            raise UserError(f"{path}: {key}: a whole number must have at most {_BITS} bits")
        if isinstance(part, list):
            to_do += [(item, (*place, str(i))) for i, item in enumerate(part)]
        elif isinstance(part, dict):
            for name in part:
                if not isinstance(name, str):
                    raise UserError(
                        f"{path}: the key {shown(name)} must be text; put it in quotes"
                    )
            to_do += [(item, (*place, name)) for name, item in part.items()]

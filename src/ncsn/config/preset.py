"""Writes presets (published settings) and single values into params.yaml, and keeps its comments.

A preset is a file in presets/ with the values that differ from `digits`, the default. It leaves
alone what belongs to the user's machine: base, track, data.root, data.mirrors.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncsn.base.dotted import flattened, set_values
from ncsn.base.errors import UserError, nearest
from ncsn.base.yaml_file import (
    end_comment,
    plain_values,
    read_commented,
    read_yaml,
    set_end_comment,
    spelled,
    write_commented,
)
from ncsn.config.params import PARAMS_FILE, checked_params, known_keys

FOLDER = Path(__file__).parent / "presets"
DEFAULT = "digits"


def preset_names() -> list[str]:
    """Returns the names of all presets, sorted."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def preset_values(name: str) -> dict[str, Any]:
    """Returns all values that a preset sets, by dotted key: its own over those of the default.

    Raises:
        UserError: no such preset.
    """
    _check_name(name)
    presets = dict.fromkeys((DEFAULT, name))
    return {k: v for p in presets for k, v in flattened(read_yaml(FOLDER / f"{p}.yaml")).items()}


def apply_preset(name: str, path: str | Path = PARAMS_FILE) -> list[str]:
    """Writes a preset into params.yaml and keeps the comments.

    Args:
        name: one of `preset_names`.
        path: the file.

    Returns:
        One line per value that changed.

    Raises:
        UserError: no such preset, or the result would break a rule; the file is then untouched.
    """
    _check_name(name)
    document = _sections(path)
    for preset in dict.fromkeys((DEFAULT, name)):
        for section, values in read_commented(FOLDER / f"{preset}.yaml").items():
            for key, value in values.items():
                document[section][key] = value
                comment = end_comment(values, key)
                if comment:
                    set_end_comment(document[section], key, comment)
    return _checked_write(path, document, preset_values(name))


def write_values(values: Mapping[str, Any], path: str | Path = PARAMS_FILE) -> list[str]:
    """Writes single values into params.yaml; comments stay, and equal values as they are written.

    Args:
        values: new values by dotted key.
        path: the file.

    Returns:
        One line per value that changed.

    Raises:
        UserError: no such key, or the result would break a rule; the file is then untouched.
    """
    document = _sections(path)
    present = flattened(document)
    set_known(
        document,
        {
            key: present[key] if key in present and _same(present[key], value) else spelled(value)
            for key, value in values.items()
        },
        path,
    )
    return _checked_write(path, document, values)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal and of one kind: 1, 1.0 and true are three kinds."""
    kinds = (bool, int, float, str, type(None), list, dict)
    is_one = [isinstance(one, kind) for kind in kinds]
    return one == other and is_one == [isinstance(other, kind) for kind in kinds]


def _check_name(name: str) -> None:
    if name not in preset_names():
        choices = ", ".join(preset_names())
        raise UserError(f"no preset '{name}'; there are {choices}.{nearest(name, preset_names())}")


def set_known(document: Any, values: Mapping[str, Any], path: str | Path = PARAMS_FILE) -> None:
    """Sets dotted keys of params.yaml in a document, and leaves the rules to the caller.

    Raises:
        UserError: no such key.
    """
    for dotted in values:
        if dotted not in known_keys():
            raise UserError(f"{path}: {dotted}: no such key.{nearest(dotted, known_keys())}")
        section, _, key = dotted.partition(".")
        if key not in document[section]:
            raise UserError(f"{path}: {dotted}: missing; every key of params.yaml must be given")
    set_values(document, values)


def _sections(path: str | Path) -> Any:
    """Reads params.yaml with its comments, and checks that each section can take values."""
    document = read_commented(path)
    for section in dict.fromkeys(key.partition(".")[0] for key in known_keys()):
        if not isinstance(document.get(section), dict):
            raise UserError(f"{path}: {section}: must be there and hold keys with values")
    return document


def _checked_write(path: str | Path, document: Any, values: Mapping[str, Any]) -> list[str]:
    before, after = flattened(read_yaml(path)), plain_values(document, path)
    checked_params(after, path)
    changed = {key: value for key, value in flattened(after).items() if before.get(key) != value}
    for key in changed:
        if key not in values:
            rule = "shares its value with another key (& and *); write it out"
            raise UserError(f"{path}: {key} would change too: it {rule}")
    write_commented(path, document)
    return [f"{key}: {before.get(key)} -> {value}" for key, value in changed.items()]

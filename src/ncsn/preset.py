"""Settings that go into params.yaml, comments kept: published ones, and single values.

A preset is a file in presets/ with the values that differ from `digits`, the default. Sections and
keys of the user's own machine (base, track, data.root, data.mirrors) are left as they are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncsn.errors import UserError, nearest
from ncsn.params import PARAMS_FILE, checked_params, known_keys
from ncsn.yaml_file import (
    end_comment,
    read_commented,
    read_yaml,
    set_end_comment,
    set_values,
    write_commented,
)

FOLDER = Path(__file__).parent / "presets"
DEFAULT = "digits"


def preset_names() -> list[str]:
    """Returns the names of all presets, sorted."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def preset_values(name: str) -> dict[str, Any]:
    """Returns all values that a preset sets, by dotted key, those of the default below its own.

    Raises:
        UserError: no such preset.
    """
    _known(name)
    return {
        f"{section}.{key}": value
        for preset in dict.fromkeys((DEFAULT, name))
        for section, values in read_yaml(FOLDER / f"{preset}.yaml").items()
        for key, value in values.items()
    }


def apply_preset(name: str, path: str | Path = PARAMS_FILE) -> list[str]:
    """Writes a preset into params.yaml and keeps the comments.

    Args:
        name: one of `preset_names`.
        path: the file.

    Returns:
        A line for each value that changed.

    Raises:
        UserError: no such preset, or the result would break a rule; the file is then untouched.
    """
    _known(name)
    document = read_commented(path)
    for preset in dict.fromkeys((DEFAULT, name)):
        for section, values in read_commented(FOLDER / f"{preset}.yaml").items():
            for key, value in values.items():
                document[section][key] = value
                comment = end_comment(values, key)
                if comment:
                    set_end_comment(document[section], key, comment)
    return _checked_write(path, document)


def write_values(values: Mapping[str, Any], path: str | Path = PARAMS_FILE) -> list[str]:
    """Writes single values into params.yaml and keeps the comments.

    Args:
        values: new values by dotted key.
        path: the file.

    Returns:
        A line for each value that changed.

    Raises:
        UserError: no such key, or the result would break a rule; the file is then untouched.
    """
    document = read_commented(path)
    set_known(document, values, path)
    return _checked_write(path, document)


def _known(name: str) -> None:
    if name not in preset_names():
        choices = ", ".join(preset_names())
        raise UserError(f"no preset '{name}'; there are {choices}.{nearest(name, preset_names())}")


def set_known(document: Any, values: Mapping[str, Any], path: str | Path = PARAMS_FILE) -> None:
    """Sets dotted keys of params.yaml in a document; rules are the caller's to check.

    Raises:
        UserError: no such key.
    """
    for key in values:
        if key not in known_keys():
            raise UserError(f"{path}: {key}: no such key.{nearest(key, known_keys())}")
    set_values(document, values)


def _checked_write(path: str | Path, document: Any) -> list[str]:
    checked_params(_plain(document), path)
    before = read_yaml(path)
    write_commented(path, document)
    return [
        f"{section}.{key}: {before[section].get(key)} -> {value}"
        for section, values in document.items()
        for key, value in values.items()
        if before[section].get(key) != value
    ]


def _plain(document: Any) -> dict[str, Any]:
    """Values as plain Python, the way a reader of the written file sees them."""
    return {
        section: {key: _scalar(value) for key, value in values.items()}
        for section, values in document.items()
    }


def _scalar(value: Any) -> Any:
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return list(value) if isinstance(value, list) else value

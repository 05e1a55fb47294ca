"""Dotted keys and the nested values they name: `sampler.epsilon` is `epsilon` in `sampler`."""

from collections.abc import Mapping
from typing import Any


def flattened(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values of all sections by dotted key; what is no section is left out.

    >>> flattened({"sampler": {"epsilon": 0.1}, "x": 1})
    {'sampler.epsilon': 0.1}
    """
    return {
        f"{section}.{key}": value
        for section, values in sections.items()
        if isinstance(values, Mapping)
        for key, value in values.items()
    }


def value_at(document: Mapping[str, Any], dotted: str) -> Any:
    """Returns the value of a dotted key of any depth; KeyError where there is none."""
    value: Any = document
    for part in dotted.split("."):
        value = value[part]
    return value


def set_values(document: Any, values: Mapping[str, Any]) -> None:
    """Sets dotted keys of any depth that the document has to new values.

    Raises:
        KeyError: the document has no such key.
    """
    for dotted, value in values.items():
        place, _, key = dotted.rpartition(".")
        mapping = value_at(document, place) if place else document
        if key not in mapping:
            raise KeyError(dotted)
        mapping[key] = value


def with_values(sections: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a copy of the sections in which dotted `values` stand, in new sections too.

    >>> with_values({"sampler": {"epsilon": 0.1}}, {"sampler.epsilon": 1, "a.b": 2})
    {'sampler': {'epsilon': 1}, 'a': {'b': 2}}
    """
    result = {name: dict(section) for name, section in sections.items()}
    for dotted, value in values.items():
        section, _, key = dotted.partition(".")
        result.setdefault(section, {})[key] = value
    return result

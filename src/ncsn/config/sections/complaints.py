"""The message about one wrong value: its key, the value, the rule, and how to write it."""

from collections.abc import Mapping
from typing import Any

from ncsn.base.errors import nearest, shown

_MAPPINGS = ("model_type", "dict_type", "model_attributes_type")
_NUMBERS = ("int_type", "int_from_float", "float_type")


def complaint(key: str, problem: Mapping[str, Any]) -> str:
    """Returns the message about a problem that pydantic found with the value of `key`."""
    value = problem["input"]
    return f"{key} (value {shown(value)}): {_rule(problem)}.{_hint(problem['type'], problem)}"


def _rule(problem: Mapping[str, Any]) -> str:
    if problem["type"] in _MAPPINGS:
        return "must hold keys with values (key: value)"
    if problem["type"] == "string_pattern_mismatch":
        return f"must match the pattern {problem['ctx']['pattern']}"
    if problem["type"] == "value_error":
        return str(problem["ctx"]["error"])
    return str(problem["msg"]).replace("Input should", "must").replace("String should", "must")


def _hint(kind: str, problem: Mapping[str, Any]) -> str:
    value = problem["input"]
    if kind == "literal_error":
        expected = problem["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        return nearest(value, expected.split(", "))
    if kind in _NUMBERS:
        return _number_hint(value)
    if kind == "bool_type":
        return " Write true or false, without quotes" if isinstance(value, str | int) else ""
    if kind == "string_type" and isinstance(value, bool | int | float):
        return f' Put it in quotes: "{shown(value)}"'
    return ""


def _number_hint(value: Any) -> str:
    """How to write a number that was given as text, or an integer that was given with a point."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return f" Write {int(value)}"
    if not isinstance(value, str):
        return ""
    text = value.strip().replace(",", ".").replace(" ", "").replace("*10^", "e")[:40]
    try:
        number = float(text)
    except ValueError:
        return ""
    written = str(int(number)) if number.is_integer() and abs(number) < 2**53 else repr(number)
    return f" Write {written}, without quotes and with a point"

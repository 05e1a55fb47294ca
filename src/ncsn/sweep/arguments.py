"""Types of the arguments of pipeline/sweep.py, each with its rule."""

import argparse
from typing import Any

from ncsn.base.errors import UserError
from ncsn.base.yaml_file import yaml_value
from ncsn.sweep.studies.study import MOST_DRAWS, MOST_TRAININGS

_MANY = 1_000_000  # more trials than any study's database serves
_MANY_WORKERS = 256  # each is a process with its own clone


def count(text: str, limit: int = _MANY) -> int:
    """Returns a whole number from 1 to `limit`."""
    if not text.isdecimal() or not 1 <= int(text) <= limit:
        rule = f"must be a whole number from 1 to {limit}"
        raise argparse.ArgumentTypeError(f"value '{text}': {rule}")
    return int(text)


def setting(text: str) -> tuple[str, Any]:
    """Returns key and value of KEY=VALUE."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"value '{text}': must be KEY=VALUE")
    try:
        return key.strip(), yaml_value(value, key.strip())
    except UserError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def draws(text: str) -> int:
    """Returns a number of draws."""
    return count(text, MOST_DRAWS)


def trainings(text: str) -> int:
    """Returns a number of trainings."""
    return count(text, MOST_TRAININGS)


def workers(text: str) -> int:
    """Returns a number of processes."""
    return count(text, _MANY_WORKERS)

"""How both pages are filled: strictly, escaped, with the style that they share."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template


def page_template(path: Path, filters: Mapping[str, Callable[..., Any]]) -> Template:
    """Returns the template at `path`; it may include style.css."""
    environment = Environment(
        loader=FileSystemLoader([path.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= filters
    return environment.get_template(path.name)


def number(value: float) -> str:
    """Returns a value with four significant digits, thousands separated, no exponent from 1e-4 on.

    >>> number(0.38214), number(1437.0), number(2e-05), number(191.0)
    ('0.3821', '1,437', '2e-05', '191')
    """
    if value == int(value) or abs(value) >= 1e4:
        return f"{value:,.0f}"
    return f"{value:.4g}"

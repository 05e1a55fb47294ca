"""The sample images that a page shows: of the named points, and in the order of each axis.

An export of an earlier version has none.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from ncsn.report.sweep.inputs import SweepStudy, axis_number

TITLES = {
    "best": "Best",
    "confirmed": "Best of those drawn again",
    "present": "Present",
    "advised": "Advised",
    "worst": "Worst",
}


class Row(NamedTuple):
    """A few images of a trial.

    Attributes:
        title: name of the point, or the value of an axis.
        number: of the trial.
        file: PNG beside the page; None where the images were not kept.
        point: its values, "key value" each.
    """

    title: str
    number: int
    file: str | None
    point: str


def named_rows(study: SweepStudy) -> list[Row]:
    """Returns the named points that have images, each trial once under all of its names."""
    titles: dict[int, list[str]] = {}
    for name, number in _samples(study).get("named", {}).items():
        titles.setdefault(number, []).append(TITLES[name])
    rows = [_row(study, " · ".join(names), number) for number, names in titles.items()]
    return [row for row in rows if row.file is not None]


def rows_along(study: SweepStudy) -> dict[str, list[Row]]:
    """Returns for each axis that has images the trials along it, in its order."""
    found = {}
    for name, numbers in _samples(study).get("along", {}).items():
        values = [axis_text_of(study.row(number)[name]) for number in numbers]
        rows = [_row(study, value, n) for value, n in zip(values, numbers, strict=True)]
        if any(row.file is not None for row in rows):
            found[name] = rows
    return found


def picture_of(study: SweepStudy, number: int) -> str | None:
    """Returns the PNG of a trial's images beside the page, None without one."""
    file = _samples(study).get("files", {}).get(str(number))
    return None if file is None else str(file)


def point_of(study: SweepStudy, row: pd.Series) -> str:
    """Returns the values of a trial's axes, "key value" each."""
    known = [name for name in study.axes if not pd.isna(row[name])]
    return ", ".join(f"{name} {axis_text_of(row[name])}" for name in known)


def axis_text_of(value: Any) -> str:
    """Returns a cell of an axis as text; a choice is text already."""
    return value if isinstance(value, str) else axis_number(float(value))


def _row(study: SweepStudy, title: str, number: int) -> Row:
    point = point_of(study, study.row(number))
    return Row(title, number, picture_of(study, number), point)


def _samples(study: SweepStudy) -> Mapping[str, Any]:
    found: Mapping[str, Any] = study.summary.get("samples") or {}
    return found

"""The page of all exported studies: reports/sweeps/index.html."""

from pathlib import Path
from typing import Any, NamedTuple

from ncsn.base.errors import UserError
from ncsn.base.files import whole_file
from ncsn.base.progress import notice
from ncsn.base.trial_record import STUDY_FILE
from ncsn.report.sweep.inputs import SweepStudy, metric_title, read_exported
from ncsn.report.sweep.page import shown_text
from ncsn.report.sweep.samples import picture_of, point_of
from ncsn.report.template import page_template

TEMPLATE = Path(__file__).with_name("overview.html")
PAGE = "index.html"


class Entry(NamedTuple):
    """A study on the page.

    Attributes:
        name: its folder.
        study: what is exported.
        objective: title of the first one.
        best: value that speaks for the best trial, "–" without one.
        point: of the best trial.
        picture: PNG of its images, beside the page; None without one.
    """

    name: str
    study: SweepStudy
    objective: str
    best: str
    point: str
    picture: str | None


def write_overview(folder: Path) -> Path:
    """Writes the page of all studies that are exported into `folder`; returns its path.

    A folder that cannot be read is told and left out.
    """
    entries: list[Entry] = []
    for path in sorted(folder.glob(f"*/{STUDY_FILE}")):
        try:
            entries.append(_entry(path.parent))
        except UserError as error:
            notice(f"left out of {folder / PAGE}: {error}")
    sizes: dict[str, list[Entry]] = {}
    for entry in entries:
        sizes.setdefault(str(entry.study.summary["size"]), []).append(entry)
    page = page_template(TEMPLATE, {}).render(sizes=sizes)
    with whole_file(folder / PAGE) as partial:
        partial.write_text(page, encoding="utf-8")
    return folder / PAGE


def siblings(folder: Path, file: str) -> list[str]:
    """Returns the folders beside `folder` whose names begin with that of its study file."""
    found = (path.parent.name for path in folder.parent.glob(f"{file}-*/{STUDY_FILE}"))
    return sorted(name for name in found if name != folder.name)


def _entry(folder: Path) -> Entry:
    study = read_exported(folder)
    key = next(iter(study.objectives))
    best: Any = next(iter(study.summary["best"]), None)
    value, point, picture = "–", "", None
    if best is not None:
        value, point = shown_text(best, key), point_of(study, study.row(best["number"]))
        picture = picture_of(study, best["number"])
    beside = f"{folder.name}/{picture}" if picture else None
    return Entry(folder.name, study, metric_title(study, key), value, point, beside)

"""The page of a comparison, self-contained: values filled into compare.html."""

import base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ncsn.base import metric_names as keys
from ncsn.base.numbers import with_error
from ncsn.base.run_record import RunRecord
from ncsn.report.compare.conditions import Group, groups, mismatches, title
from ncsn.report.compare.tables import cost_rows, differing_params, letters
from ncsn.report.compare.verdicts import Standing, shown_error, standings
from ncsn.report.compare.words import caveats, curves_note, findings, notices, same_noise
from ncsn.report.template import number, page_template

TEMPLATE = Path(__file__).with_name("compare.html")
_CLASSES = {"best value": "best", "worse": "worse", "not told apart": "same"}


def render_comparison(
    runs: Sequence[RunRecord], pictures: Mapping[str, bytes], links: Mapping[str, str]
) -> str:
    """Returns the page as HTML.

    Args:
        runs: at least two.
        pictures: PNG files, `samples` and `curves`; what is missing is left out.
        links: addresses by what they open.
    """
    names = letters(len(runs))
    params = differing_params(runs)
    filters: dict[str, Callable[..., Any]] = {"number": number, "digits": with_error}
    filters["mark"] = _mark
    found = groups(runs)
    return page_template(TEMPLATE, filters).render(
        runs=list(zip(names, runs, strict=True)),
        commits=[_commit(run) for run in runs],
        notices=notices(runs),
        mismatches=mismatches(found),
        groups=[_table(runs, group) for group in found],
        findings=findings(runs),
        caveats=caveats(runs),
        params=[(key, *params.loc[key]) for key in params.index],
        costs=cost_rows(runs),
        pictures={name: _data_uri(png) for name, png in pictures.items()},
        noise=same_noise(runs),
        curves_note=curves_note(runs),
        unpictured=[n for n, run in zip(names, runs, strict=True) if run.samples is None],
        links=links,
    )


def _table(runs: Sequence[RunRecord], group: Group) -> dict[str, Any]:
    """Rows of metrics, a column for each run of a group."""
    names = letters(len(runs))
    rows = []
    for measure in keys.MEASURES:
        found = standings(runs, group, measure)
        if found:
            errors = {p: shown_error(runs[p], measure.key) for p in group.members}
            cells = [_cell(found.get(p), errors[p]) for p in group.members]
            rows.append((measure, cells))
    return {"title": title(group), "letters": [names[p] for p in group.members], "rows": rows}


def _cell(standing: Standing | None, error: float | None) -> dict[str, Any] | None:
    if standing is None:
        return None
    return {"value": standing.value, "error": error, "says": standing.says}


def _commit(run: RunRecord) -> str:
    dirty = " and changes" if run.texts.get("mlflow.source.git.dirty") == "True" else ""
    return run.texts.get("mlflow.source.git.commit", "–")[:10] + dirty


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _mark(says: str) -> str:
    return _CLASSES.get(says, "")

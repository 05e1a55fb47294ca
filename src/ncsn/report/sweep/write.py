"""The report of a study in one call: figures first, the page last."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from matplotlib.figure import Figure

from ncsn.base.chart_style import png_bytes
from ncsn.base.files import whole_file
from ncsn.base.trial_record import STUDY_FILE
from ncsn.report.sweep.agreement import Comparison, amortised_sibling, comparison
from ncsn.report.sweep.charts import (
    MIN_PAIR,
    importance_shares,
    plot_front,
    plot_history,
    plot_importances,
    plot_pair,
    strongest_pair,
)
from ncsn.report.sweep.hover import spots
from ncsn.report.sweep.inputs import SweepStudy, read_exported
from ncsn.report.sweep.marginals import plot_marginal
from ncsn.report.sweep.overview import siblings
from ncsn.report.sweep.page import Facts, render_study

PAGE = "index.html"
ORACLE_SUFFIX = "-oracle"


def write_study_report(
    folder: str | Path,
    oracle_folder: str | Path | None = None,
    has_commit: Callable[[str], bool] = lambda commit: True,
) -> Path:
    """Writes index.html and its PNG files beside trials.csv and study.json; returns the page.

    PNG files that an earlier page shows and this one does not are deleted.

    Args:
        folder: an exported study.
        oracle_folder: the same study with the exact score; None takes the folder beside it whose
            name ends in `-oracle`, if there is one.
        has_commit: whether a commit can be looked up; one that cannot is not named.

    Raises:
        UserError: an exported file is missing.
    """
    folder = Path(folder)
    study = read_exported(folder)
    beside = oracle_folder or folder.with_name(folder.name + ORACLE_SUFFIX)
    oracle = read_exported(beside) if oracle_folder or _is_exported(beside) else None
    figures = study_figures(study, oracle)
    names = {what: f"{_file_name(what)}.png" for what in figures}
    places = {}
    for what, figure in figures.items():
        with whole_file(folder / names[what]) as partial:
            partial.write_bytes(png_bytes(figure))
        places[what] = spots(study, what, figure)
    stale = _shown_pictures(folder / PAGE) - set(names.values())
    commit = study.summary.get("commit")
    facts = Facts(
        commit if commit and has_commit(commit) else None,
        places,
        siblings(folder, str(study.summary.get("file"))),
        (folder.parent / PAGE).exists(),
    )
    page = render_study(study, oracle, _comparisons(folder, study, oracle), names, facts)
    with whole_file(folder / PAGE) as partial:
        partial.write_text(page, encoding="utf-8")
    for name in stale:
        (folder / name).unlink(missing_ok=True)
    return folder / PAGE


def study_figures(study: SweepStudy, oracle: SweepStudy | None = None) -> dict[str, Figure]:
    """Returns the figures that the study has data for, by what they show."""
    num_complete = len(study.complete())
    if not num_complete:
        return {}
    figures = {"history": plot_history(study)}
    for name in study.axes:
        if not study.complete()[name].isna().all():
            figures[f"marginal {name}"] = plot_marginal(study, name, oracle)
    pair = strongest_pair(study)
    if pair is not None and _has_map(study, pair):
        figures["pair"] = plot_pair(study, *pair)
    if len(study.objectives) == 2:
        figures["front"] = plot_front(study, oracle)
    if importance_shares(study):
        figures["importances"] = plot_importances(study)
    return figures


def _shown_pictures(page: Path) -> set[str]:
    """Names of the PNG files of a report that lie beside its page; other files are not ours."""
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    return set(re.findall(r'src="(\w+\.png)"', text))


def _has_map(study: SweepStudy, pair: tuple[str, str]) -> bool:
    points = study.complete().dropna(subset=list(pair))
    varied = all(points[name].nunique() > 1 for name in pair)
    return (
        len(points) >= MIN_PAIR and varied and points[next(iter(study.objectives))].nunique() > 1
    )


def _comparisons(
    folder: Path, study: SweepStudy, oracle: SweepStudy | None
) -> Mapping[str, Comparison]:
    found = {}
    if oracle is not None:
        found["oracle"] = comparison(study, oracle)
    sibling = amortised_sibling(folder, study.summary["size"])
    if _is_exported(sibling):
        found["amortised"] = comparison(study, read_exported(sibling))
    return found


def _is_exported(folder: str | Path) -> bool:
    return (Path(folder) / STUDY_FILE).exists()


def _file_name(what: str) -> str:
    """`marginal sampler.epsilon` as `marginal_sampler_epsilon`."""
    return "".join(letter if letter.isalnum() else "_" for letter in what)

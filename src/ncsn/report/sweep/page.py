"""The page of a study: everything it says as plain values, filled into study.html.

The page lies beside its PNG files and needs no network.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from ncsn.base.numbers import with_error
from ncsn.base.progress import duration
from ncsn.report.sweep.agreement import Comparison
from ncsn.report.sweep.hover import Spot, told
from ncsn.report.sweep.inputs import SweepStudy, axis_number, metric_title, value_texts
from ncsn.report.sweep.parallel import parallel_coordinates
from ncsn.report.sweep.samples import named_rows, rows_along
from ncsn.report.template import number, page_template

TEMPLATE = Path(__file__).with_name("study.html")
NUM_ENDED_ROWS = 60  # pruned and failed trials on the page; trials.csv has all
_ENDS = {"low": "lower", "high": "upper"}


class Facts(NamedTuple):
    """What the folder of a report tells of a study.

    Attributes:
        commit: that of its trials, None where nobody can look it up.
        spots: where trials stand in each figure, by what it shows.
        siblings: folders of the same study at other sizes and models.
        has_overview: whether the page of all studies is there.
    """

    commit: str | None
    spots: Mapping[str, Sequence[Spot]]
    siblings: Sequence[str]
    has_overview: bool


def render_study(
    study: SweepStudy,
    oracle: SweepStudy | None,
    comparisons: Mapping[str, Comparison],
    pictures: Mapping[str, str],
    facts: "Facts | None" = None,
) -> str:
    """Returns the page as HTML.

    Args:
        study: the study.
        oracle: the same study with the exact score, None without one.
        comparisons: "oracle" and "amortised" studies over the same axes, where they exist.
        pictures: file names of the figures by what they show; a missing one is left out.
        facts: what only the folder tells; None where there is none.
    """
    summary, facts = study.summary, facts or Facts(None, {}, [], False)
    ended = study.trials[study.trials["state"].isin(["pruned", "failed"])]
    filters: dict[str, Callable[..., Any]] = {
        "number": number,
        "cell": cell,
        "at": axis_cell,
        "duration": duration,
        "axis": axis_text,
        "condition": condition_text,
        "agreement": agreement_text,
        "known": lambda value: not pd.isna(value),
        "shown": shown_text,
        "draws": draws_text,
        "mean_of": mean_text,
    }
    return page_template(TEMPLATE, filters).render(
        study=study,
        s=summary,
        oracle=oracle,
        comparisons=comparisons,
        pictures=pictures,
        several=len(study.objectives) > 1,
        objectives={key: metric_title(study, key) for key in study.objectives},
        compared=_compared(study),
        named=named_rows(study),
        along=rows_along(study),
        value_of=lambda number: value_text(study, number),
        some_fresh=any(_is_fresh(trial) for trial in summary["best"]),
        some_told=any(trial.get("told_apart") is not None for trial in summary["best"]),
        edges=[_edge_text(edge) for edge in summary["edges"]],
        ended=ended.head(NUM_ENDED_ROWS).to_dict("records"),
        num_ended=len(ended),
        absent=_absent(study),
        error_note=error_text(summary),
        facts=facts,
        told=told(study),
        parallel=parallel_coordinates(study),
    )


def cell(value: Any) -> str:
    """Returns a value of an axis or a metric as text, "–" for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    return number(value) if isinstance(value, int | float) else str(value)


def axis_cell(value: Any) -> str:
    """Returns a value of an axis as text, "–" for none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return cell(value)
    return axis_number(value)


def value_text(study: SweepStudy, number: int) -> str:
    """Returns the first objective of a trial with its error, of fresh draws if there are any."""
    key = next(iter(study.objectives))
    trials = [*study.summary["best"], *study.summary["theory_and_search"].values()]
    summary = next((trial for trial in trials if trial["number"] == number), None)
    return value_texts(study, key)[number] if summary is None else shown_text(summary, key)


def shown_text(trial: Mapping[str, Any], key: str) -> str:
    """Returns a trial's value with its standard error, that of fresh draws where there are any.

    >>> shown_text({"shown": {"a": {"mean": 1.25, "error": 0.0712}}, "objectives": {}}, "a")
    '1.250 ± 0.071'
    """
    shown = trial.get("shown", {}).get(key)
    if shown is None:
        return cell(trial["objectives"].get(key))
    error = shown["error"]
    return cell(shown["mean"]) if error is None else with_error(shown["mean"], error)


def draws_text(trial: Mapping[str, Any], key: str) -> str:
    """Returns from how many draws, of which kind, a trial's value comes."""
    shown = trial.get("shown", {}).get(key)
    if shown is None:
        return ""
    trainings, fresh = shown.get("trainings", 1), "fresh " if shown["fresh"] else ""
    error = "" if shown["error"] is None else "; ± is one standard error"
    kind = "" if trainings > 1 else fresh
    drawn = f"{shown['draws']} {kind}draw{'s' if shown['draws'] != 1 else ''}"
    if trainings > 1:
        drawn = f"mean of {drawn} of each of {trainings} {fresh}trainings"
    if not shown["fresh"]:
        return f"{drawn} of the search, not drawn again{error} · "
    return f"{drawn}, {cell(trial['objectives'][key])} in the search{error} · "


def mean_text(summary: Mapping[str, Any]) -> str:
    """Returns of what a point's value in the search is the mean.

    >>> mean_text({"draws": 2, "num_trainings": 3})
    '2 draws of each of 3 trainings'
    """
    draws, trainings = summary["draws"], summary["num_trainings"]
    drawn = f"{draws} draw{'s' if draws != 1 else ''}"
    return f"{drawn} of each of {trainings} trainings" if trainings > 1 else drawn


def error_text(summary: Mapping[str, Any]) -> str:
    """Returns what ± is in the tables of a study, a sentence."""
    trials = [*summary["best"], *summary["theory_and_search"].values()]
    shown = [found for trial in trials for found in trial.get("shown", {}).values()]
    own = "± is one standard error of the mean over a trial's"
    if any(found.get("trainings", 1) > 1 for found in shown):
        return (
            f"{own} trainings; of a trial with one training, over its draws, "
            "without the spread between trainings."
        )
    without = "" if summary["model"] == "oracle" else "; the spread between trainings is not in it"
    return f"{own} draws{without}."


def _is_fresh(trial: Mapping[str, Any]) -> bool:
    return any(shown["fresh"] for shown in trial.get("shown", {}).values())


def axis_text(axis: Mapping[str, Any]) -> str:
    """Returns what an axis may be.

    >>> axis_text({"type": "float", "low": 1e-6, "high": 0.01, "log": True})
    '1e-06 to 0.01, log'
    """
    if "choices" in axis:
        return ", ".join(axis_cell(choice) for choice in axis["choices"])
    whole = ", whole numbers" if axis["type"] == "int" else ""
    return (
        f"{axis_cell(axis['low'])} to {axis_cell(axis['high'])}"
        f"{', log' if axis.get('log') else ''}{whole}"
    )


def condition_text(axis: Mapping[str, Any]) -> str:
    """Returns when an axis is there, empty for always."""
    return ", ".join(f"{key} = {value}" for key, value in (axis.get("when") or {}).items())


def agreement_text(comparison: Comparison) -> str:
    """Returns what a comparison says, in a sentence."""
    if math.isnan(comparison.rho):
        common = comparison.num_common
        return f"{common} points in common: too few, or too alike, for a rank correlation."
    return (
        f"Spearman's rank correlation over {comparison.num_common} common points is "
        f"{comparison.rho:.3f}."
    )


def _compared(study: SweepStudy) -> dict[str, dict[str, Any]]:
    """Advised, present and best point; on a front the last is the best by the first objective."""
    known = dict(study.summary["theory_and_search"])
    if "best" in known and len(study.objectives) > 1:
        known[f"best {metric_title(study, next(iter(study.objectives)))}"] = known.pop("best")
    return known


def _edge_text(edge: Mapping[str, Any]) -> str:
    value, end = axis_cell(edge["value"]), axis_cell(edge["end"])
    return (
        f"{edge['axis']} = {value} is at the {_ENDS[edge['side']]} end of its range ({end}): "
        "the best value may lie outside."
    )


def _absent(study: SweepStudy) -> list[str]:
    """Why an evaluator of importances gives nothing, once each."""
    lines = []
    for objective, evaluators in study.summary["importances"].items():
        for name, found in evaluators.items():
            if "absent" in found:
                lines.append(f"{name}, {metric_title(study, objective)}: {found['absent']}.")
            elif "left_out" in found:
                names = ", ".join(found["left_out"])
                lines.append(f"{name}: {names} did not vary in every complete trial.")
    return list(dict.fromkeys(lines))

"""A comparison on a terminal of 120 columns."""

import textwrap
from collections.abc import Sequence

from ncsn.base import metric_names as keys
from ncsn.base.run_record import RunRecord
from ncsn.report.compare.conditions import groups, title
from ncsn.report.compare.tables import EVALUATIONS, differing_params, letters
from ncsn.report.compare.verdicts import shown_error, standings
from ncsn.report.compare.words import findings, notices, same_noise

WIDTH = 120
_SHOWN = (keys.FID, keys.KID_MEAN, keys.PIXEL_FRECHET, keys.PRECISION, keys.RECALL)
_HEADS = {keys.PIXEL_FRECHET: "pixel Fréchet", keys.KID_MEAN: "KID"}
_NAME, _CELL, _VALUE = 34, 15, 22
_LEGEND = (
    "* best value, ~ cannot be told apart from it, ! worse beyond the noise; +- is one standard "
    "error"
)
_MARKS = {"worse": "!", "not told apart": "~", "best value": "*"}


def comparison_text(runs: Sequence[RunRecord]) -> str:
    """Returns tables and sentences, no line longer than WIDTH."""
    lines = [line for text in notices(runs) for line in _wrapped(f"notice: {text}")]
    for group in groups(runs):
        lines += ["", *_wrapped(title(group)), _head()]
        lines += [_row(runs, group.members, place) for place in group.members]
    lines += [_LEGEND, "", *_params(runs), ""]
    lines += [line for text in findings(runs) for line in _wrapped(text)]
    return "\n".join([*lines, *_wrapped(f"samples: {same_noise(runs)}")])


def _head() -> str:
    titles = {measure.key: measure.title for measure in keys.MEASURES}
    cells = [f"{_HEADS.get(key, titles[key]):<{_CELL}}" for key in _SHOWN]
    return f"{'':3}{'run':<{_NAME}} {''.join(cells)}evals"


def _row(runs: Sequence[RunRecord], members: Sequence[int], place: int) -> str:
    run, measures = runs[place], {measure.key: measure for measure in keys.MEASURES}
    group = next(group for group in groups(runs) if place in group.members)
    cells = []
    for key in _SHOWN:
        standing = standings(runs, group, measures[key]).get(place)
        if standing is None:
            cells.append(f"{'-':<{_CELL}}")
            continue
        cells.append(_cell(standing.value, shown_error(run, key), standing.says).ljust(_CELL))
    letter, evaluations = letters(len(runs))[place], run.known(EVALUATIONS) or "-"
    return f"{letter:<3}{_cut(run.name, _NAME):<{_NAME}} {''.join(cells)}{evaluations[:7]}"


def _cell(value: float, error: float | None, says: str) -> str:
    """A number, its error and its mark; where that is too long, fewer digits."""
    mark = _MARKS.get(says, "")
    for digits in (3, 2, 1):
        bar = "" if error is None else f"+-{error:.{min(digits, 2)}g}"
        text = f"{value:.{digits}g}{bar}{mark}"
        if len(text) < _CELL:
            break
    return text


def _params(runs: Sequence[RunRecord]) -> list[str]:
    """The params that differ, as many runs beside one another as fit."""
    table = differing_params(runs)
    if table.empty:
        return ["The runs have the same params."]
    longest = max(len(str(key)) for key in ("params that differ", *table.index))
    key_width = min(40, longest) + 2
    at_once = max(1, (WIDTH - key_width) // _VALUE)
    lines = []
    for start in range(0, len(table.columns), at_once):
        names = list(table.columns[start : start + at_once])
        heads = "".join(f"{name:<{_VALUE}}" for name in names)
        lines.append("params that differ".ljust(key_width) + heads)
        for key in table.index:
            values = [_cut(str(table.at[key, n] or "-"), _VALUE - 1) for n in names]
            cells = "".join(f"{value:<{_VALUE}}" for value in values)
            lines.append(f"{_cut(str(key), key_width - 1):<{key_width}}{cells}".rstrip())
    return [line.rstrip() for line in lines]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 2]}.."


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)

"""What `make verify` prints: number by number, and the papers beside."""

from collections.abc import Iterator, Mapping, Sequence

from ncsn.base import metric_names as keys
from ncsn.base.numbers import decimals, with_error
from ncsn.verify.published import Number, Published, Quoted, Run
from ncsn.verify.verdicts import Verdict

Row = Sequence[str]
_GROUPS = {"eval": "", "oracle": ", exact score", "matched_floor": ", real images"}
_OTHERS = {
    keys.CLASSIFIER_ACCURACY: "accuracy of the classifier",
    keys.FLOOR_FID: "FID, all real images",
}


def title(key: str) -> str:
    """Returns the name of a number for people.

    >>> title("oracle/fid"), title("eval/pixel_frechet")
    ('FID, exact score', 'Fréchet distance of pixels')
    """
    if key in _OTHERS:
        return _OTHERS[key]
    group, _, name = key.partition("/")
    for measure in keys.MEASURES:
        if measure.key == f"eval/{name}":
            of = " of pixels" if measure.measured_on == "pixels" else ""
            return f"{measure.title}{of}{_GROUPS[group]}"
    return key


def verdict_lines(preset: str, run: Run, found: Sequence[Verdict]) -> list[str]:
    """Returns the table of a run that was published, and what it comes to."""
    conditions = ", ".join(f"{key.partition('/')[2]} {v}" for key, v in run.conditions.items())
    head = f"{preset}: published {run.date} from {(run.commit or 'no commit')[:7]}, {run.machine}"
    bars = f"spread over {run.spread_over}" if run.spread_over else "no spread over runs measured"
    rows: list[Row] = [("", "here", "published", "difference", "allowed", "")]
    rows += [_verdict_row(verdict) for verdict in found]
    return [head, f"conditions: {conditions}; {bars}", "", *_columns(rows), "", summary(found)]


def summary(found: Sequence[Verdict]) -> str:
    """Returns the verdict over all numbers in one line."""
    count = {name: sum(v.outcome == name for v in found) for name in ("same", "reproduced")}
    wrong = [title(v.key) for v in found if v.outcome == "not reproduced"]
    open_ones = sum(v.outcome in ("no tolerance", "not here") for v in found)
    parts = [f"{count['same']} equal", f"{count['reproduced']} within their tolerance"]
    parts += [f"{len(wrong)} beyond it ({', '.join(wrong)})"] if wrong else []
    parts += [f"{open_ones} that cannot be judged"] if open_ones else []
    verdict = "NOT reproduced" if wrong else "reproduced"
    return f"{verdict}: of {len(found)} numbers {', '.join(parts)}"


def _verdict_row(verdict: Verdict) -> Row:
    here, published, allowed = verdict.here, verdict.published, verdict.allowed
    if here is None:
        return (title(verdict.key), "-", _shown(published), "-", "-", verdict.outcome)
    difference, limit = here.value - published.value, "-"
    text = f"{difference:+.2g}" if difference else "0"
    if allowed:
        places = decimals(allowed)
        limit, text = f"{allowed:.{places}f}", f"{difference:+.{places}f}" if difference else "0"
    cells = (_shown(here), _shown(published), text, limit, verdict.outcome)
    return (title(verdict.key), *cells)


def _shown(number: Number) -> str:
    return with_error(number.value, number.stderr)


def paper_lines(published: Published, preset: str, here: Mapping[str, Number]) -> list[str]:
    """Returns the numbers of papers, and of published runs that are not of the present preset."""
    rows: list[Row] = [("preset", "number", "published", "here", "conditions and source")]
    rows += [_paper_row(quoted, preset, here) for quoted in published.papers]
    rows += _other_runs(published, preset)
    return ["papers and other published runs:", "", *_columns(rows)]


def _paper_row(quoted: Quoted, preset: str, here: Mapping[str, Number]) -> Row:
    own = here.get(quoted.metric) if quoted.preset == preset else None
    shown = _shown(own) if own else "not run here"
    value = with_error(quoted.value, quoted.spread)
    source = f"{quoted.conditions}; {quoted.source}"
    return (quoted.preset, title(quoted.metric), value, shown, source)


def _other_runs(published: Published, preset: str) -> Iterator[Row]:
    for name, run in published.runs.items():
        for key in (keys.FID, "oracle/fid"):
            if name != preset and key in run.numbers:
                source = f"this project, {run.date}, {(run.commit or 'no commit')[:7]}"
                yield (name, title(key), _shown(run.numbers[key]), "not run here", source)


def _columns(rows: Sequence[Row]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]

"""reports/published.yaml: numbers of published runs and of papers, as data.

The entry of a run is written by `make_entry` and `write_entry`, never by hand.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ncsn.base.errors import UserError
from ncsn.base.records import Finite
from ncsn.base.yaml_file import one_line, read_commented, read_yaml, write_commented
from ncsn.config.preset import preset_names
from ncsn.config.sections.complaints import complaint
from ncsn.config.sections.kinds import Section

PUBLISHED = Path("reports/published.yaml")


class Number(Section):
    """A published number.

    Attributes:
        value: the number.
        stderr: its standard error over samples drawn anew, None where none was computed.
        spread: standard deviation over whole runs, see `Run.spread_over`; None if not measured.
    """

    value: Finite
    stderr: Finite | None = None
    spread: Finite | None = None


class Run(Section):
    """A run of this project that was published.

    Attributes:
        date: of the run, ISO 8601.
        commit: of the code; None where it was not known.
        machine: processor or GPU.
        versions: of packages that decide numbers.
        conditions: all that must be equal where numbers are compared, by key.
        seeds: of the run, by dotted key of params.yaml.
        spread_over: the runs over which `spread` was measured, in words; None for none.
        numbers: by the keys of metrics.json.
    """

    date: str
    commit: str | None
    machine: str
    versions: dict[str, str]
    conditions: dict[str, str | int]
    seeds: dict[str, int | None]
    spread_over: str | None
    numbers: dict[str, Number]


class Quoted(Section):
    """A number of a paper.

    Attributes:
        preset: the preset of the same setting.
        metric: key of metrics.json.
        value: the number.
        spread: what stands behind the paper's plus-minus sign, None where nothing does.
        conditions: under which it was measured, in words.
        source: where it stands.
    """

    preset: str
    metric: str
    value: Finite
    spread: Finite | None = None
    conditions: str
    source: str


class Published(Section):
    """The file."""

    runs: dict[str, Run]
    papers: list[Quoted]


def read_published(path: str | Path = PUBLISHED) -> Published:
    """Reads the file.

    Raises:
        UserError: it is missing or broken, or names a preset that does not exist.
    """
    try:
        published = Published.model_validate(read_yaml(path))
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        raise UserError(f"{path}: {complaint(key, dict(problem))}") from None
    for name in [*published.runs, *(quoted.preset for quoted in published.papers)]:
        if name not in preset_names():
            raise UserError(f"{path}: no preset '{name}'; there are {', '.join(preset_names())}")
    return published


def write_entry(preset: str, run: Run, path: str | Path = PUBLISHED) -> None:
    """Writes the entry of a run, in place of the one that its preset has; comments stay."""
    document = read_commented(path)
    values: dict[str, Any] = run.model_dump(mode="json")
    for name in ("versions", "conditions", "seeds"):
        values[name] = one_line(values[name])
    values["numbers"] = {key: one_line(number) for key, number in values["numbers"].items()}
    document["runs"][preset] = values
    write_commented(path, document)


def with_spreads(run: Run, spreads: Mapping[str, float], spread_over: str | None) -> Run:
    """Returns a run with a spread for each of its numbers that has one in `spreads`."""
    numbers = {
        key: number.model_copy(update={"spread": spreads.get(key)})
        for key, number in run.numbers.items()
    }
    return run.model_copy(update={"numbers": numbers, "spread_over": spread_over})

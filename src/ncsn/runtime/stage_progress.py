"""Which stage of how many runs in a `dvc repro`, and how long the rest took when it last ran.

DVC says on stdout which stage it runs, skips or takes from its cache; these words are all that is
used of it. Of a DVC with other words nothing is said.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from ncsn.base.errors import UserError
from ncsn.base.files import read_json, write_json
from ncsn.base.progress import duration

SECONDS = "stage_seconds.json"  # in the folder of unfinished work: of the last run of each stage
_RUNS = re.compile(r"^Running stage '([\w-]+)'")
_DONE = re.compile(r"^Stage '([\w-]+)' (?:didn't change|is cached)")


class StageProgress:
    """Follows the lines of one `dvc repro`.

    Args:
        stages: the names of all stages.
        seconds: how long stages took when they last ran; those that never did are missing.
        clock: seconds of any origin.
    """

    def __init__(
        self,
        stages: Sequence[str],
        seconds: Mapping[str, float],
        clock: Callable[[], float] = time.monotonic,
    ):
        self.seconds = dict(seconds)
        self._left, self._count, self._clock = list(stages), len(stages), clock
        self._running: tuple[str, float] | None = None

    def read(self, line: str) -> str | None:
        """Takes a line of DVC's output; returns what is to be said before it, if anything."""
        runs, done = _RUNS.match(line), _DONE.match(line)
        match = runs or done
        if match is None or match[1] not in self._left:
            return None
        self.end()
        self._left.remove(match[1])
        if runs is None:
            return None
        self._running = match[1], self._clock()
        return self._heading(match[1])

    def end(self) -> None:
        """Notes how long the stage took that ran until now, which must have ended well."""
        if self._running is not None:
            name, begin = self._running
            self.seconds[name] = round(self._clock() - begin, 1)
            self._running = None

    def _heading(self, name: str) -> str:
        heading = f"stage {self._count - len(self._left)} of {self._count}: {name}"
        known = [self.seconds[other] for other in [name, *self._left] if other in self.seconds]
        if len(known) <= len(self._left):  # one of them never ran here
            return heading
        return f"{heading}; it and all that is left took {duration(sum(known))} when they last ran"


def headed(lines: Iterator[str], progress: StageProgress) -> Iterator[str]:
    """Yields DVC's lines with a heading before each stage that runs."""
    for line in lines:
        if heading := progress.read(line):
            yield f"\n{heading}\n"
        yield line


def read_stage_seconds(work: str | Path) -> dict[str, float]:
    """Returns the noted seconds of stages; none where the file is missing or damaged."""
    try:
        noted = read_json(Path(work) / SECONDS)
    except UserError:
        return {}
    return {name: float(sec) for name, sec in noted.items() if isinstance(sec, int | float)}


def write_stage_seconds(work: str | Path, seconds: Mapping[str, float]) -> None:
    """Notes the seconds of stages for the next run."""
    write_json(Path(work) / SECONDS, seconds)

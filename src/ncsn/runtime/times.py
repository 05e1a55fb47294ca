"""How long work took, noted beside the outs: equal work leaves equal bytes, but takes other times.

A note is found by the content of the file that the work left. A result that comes from DVC's cache
has the seconds of the run that made it, where that run was on this machine.
"""

import os
from pathlib import Path

from ncsn.base.files import file_sha256, write_json
from ncsn.base.records import read_metrics
from ncsn.runtime.unfinished import SHARED_WORK

TIMES = "times"  # in the folder of unfinished work, which neither DVC nor git looks into
_SECONDS = "seconds"


def note_seconds(result: str | Path, seconds: float, root: str | Path) -> None:
    """Notes how long it took to make a file.

    Args:
        result: the finished file; its content names the note.
        seconds: of the whole work, interruptions left out.
        root: `paths.work` of dvc.yaml; NCSN_WORK in the environment wins.
    """
    write_json(_note(result, root), {_SECONDS: round(seconds, 1)})


def noted_seconds(result: str | Path, root: str | Path) -> float | None:
    """Returns how long it took to make a file; None where that was not measured here."""
    note = _note(result, root)
    return float(read_metrics(note, _SECONDS)[_SECONDS]) if note.exists() else None


def _note(result: str | Path, root: str | Path) -> Path:
    folder = Path(os.environ.get(SHARED_WORK) or root) / TIMES
    return folder / f"{Path(result).stem}-{file_sha256(result)[:32]}.json"

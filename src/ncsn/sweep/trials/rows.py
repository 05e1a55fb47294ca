"""The rows of a training log as they come: live from unfinished work, or replayed from a result.

A resumed training cuts its log back to its checkpoint and writes the same steps again, so a row
is known by its step and keys, and handed on once.
"""

import os
from pathlib import Path
from typing import Any

from ncsn.base.errors import Missing
from ncsn.base.records import read_log
from ncsn.sweep.trials.outcome import Stopped
from ncsn.sweep.trials.pipeline import OnRow


class TrainingRows:
    """Rows handed on so far."""

    def __init__(self, on_row: OnRow | None) -> None:
        self._on_row = on_row
        self._seen: set[tuple[str, ...]] = set()
        self._stamp: tuple[str, int, int] | None = None

    def read(self, log: Path) -> None:
        """Hands on the new rows of `log`, which need not exist yet.

        Raises:
            Stopped: `on_row` returned True.
        """
        if self._on_row is None:
            return
        for row in self._changed(log):
            identity = (str(row["step"]), *sorted(row))
            if identity in self._seen:
                continue
            self._seen.add(identity)
            if self._on_row(row):
                raise Stopped(row)

    def _changed(self, log: Path) -> list[dict[str, Any]]:
        """All rows of a log that has changed; none where it does not lie, or no longer."""
        try:
            state = os.stat(log)
            stamp = (str(log), state.st_size, state.st_mtime_ns)
            rows = read_log(log) if stamp != self._stamp else []
        except (FileNotFoundError, Missing):  # the end of a training takes it away at any moment
            return []
        self._stamp = stamp
        return rows

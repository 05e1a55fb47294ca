"""The rows of a training log as they come: live from unfinished work, or replayed from a result.

A resumed training cuts its log back to its checkpoint and writes the same steps again, so a row
is known by its step and keys, and handed on once.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ncsn.io import read_jsonl
from ncsn.sweep.outcome import Stopped

OnRow = Callable[[dict[str, Any]], bool]


class TrainingRows:
    """Rows handed on so far."""

    def __init__(self, on_row: OnRow | None):
        self._on_row = on_row
        self._seen: set[tuple[str, ...]] = set()
        self._stamp: tuple[str, int, int] | None = None

    def read(self, log: Path) -> None:
        """Hands on the new rows of `log`, which need not exist yet.

        Raises:
            Stopped: `on_row` returned True.
        """
        if self._on_row is None or not self._has_changed(log):
            return
        for row in read_jsonl(log):
            identity = (str(row["step"]), *sorted(row))
            if identity in self._seen:
                continue
            self._seen.add(identity)
            if self._on_row(row):
                raise Stopped(row)

    def _has_changed(self, log: Path) -> bool:
        try:
            state = os.stat(log)
        except FileNotFoundError:
            return False
        stamp = (str(log), state.st_size, state.st_mtime_ns)
        changed, self._stamp = stamp != self._stamp, stamp
        return changed

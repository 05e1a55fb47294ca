"""The store as a comparison uses it; MLflow is imported where there is a store, and only then."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from ncsn.base.run_record import RunRecord
from ncsn.config.params import TrackParams
from ncsn.tracking.database import is_absent
from ncsn.tracking.place import database_path, store_uri


class ComparisonStore(NamedTuple):
    """A store of runs.

    Attributes:
        track: where it is.
        opened: for reading; None where there is no store yet.
    """

    track: TrackParams
    opened: Any

    def named(self, name: str, trials: int) -> list[RunRecord]:
        """Returns the runs of a name; nothing where none has it. See `reading.named_runs`."""
        if self.opened is None:
            return []
        from ncsn.tracking.reading import named_runs

        return named_runs(self.opened, name, trials)

    def names(self) -> list[str]:
        """Returns the names of all runs, for a hint."""
        if self.opened is None:
            return []
        from ncsn.tracking.reading import known_names

        return known_names(self.opened)

    def wanted(
        self,
        data: str | None,
        study: str | None,
        tag: tuple[str, str] | None,
        since: datetime | None,
        last: int,
    ) -> list[RunRecord]:
        """Returns the newest runs that fit; arguments as in `reading.Wanted`.

        Raises:
            UserError: no run fits, or there is no store.
        """
        from ncsn.tracking.reading import Wanted, read_store, wanted_runs

        store = self.opened or read_store(self.track)  # which says what is missing
        return wanted_runs(store, Wanted(data, study, tag, since, last))

    def links(self, runs: Sequence[RunRecord], axes: Sequence[str]) -> dict[str, str]:
        """Returns addresses of the runs in MLflow; see `comparisons.comparison_links`."""
        if self.opened is None:
            return {}
        from ncsn.tracking.comparisons import comparison_links

        return comparison_links(self.track, runs, axes)

    def publish(self, runs: Sequence[RunRecord], page: Path) -> dict[str, str]:
        """Logs the page and the tables beside it; returns what opens it."""
        if self.opened is None:
            return {}
        from ncsn.tracking.comparisons import publish_comparison

        files = [page, *sorted(page.parent.glob("*.csv"))]
        return {"the page in MLflow": publish_comparison(self.track, runs, files)}


def comparison_store(track: TrackParams) -> ComparisonStore:
    """Opens the store for reading; one that does not exist holds no runs.

    Raises:
        UserError: it cannot be reached or used.
    """
    database = database_path(store_uri(track))
    if database is not None and not database.is_dir() and is_absent(database):
        return ComparisonStore(track, None)
    from ncsn.tracking.reading import read_store

    return ComparisonStore(track, read_store(track))

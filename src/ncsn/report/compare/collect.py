"""The runs that a person names, from wherever they lie."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Protocol

from ncsn.base.errors import UserError, nearest
from ncsn.base.run_record import RunRecord
from ncsn.config.paths import PathsParams
from ncsn.report.compare.exported import exported_names, exported_records
from ncsn.report.compare.revisions import experiment_names, revision_record

MOST = 26  # runs side by side


class Store(Protocol):
    """Where runs are found by name."""

    def named(self, name: str, trials: int) -> list[RunRecord]:
        """Returns the runs of a name, nothing where it is not there."""

    def names(self) -> list[str]:
        """Returns all names."""


def named_records(
    names: Sequence[str],
    store: Store,
    paths: PathsParams,
    trials: int,
    root: str | Path = ".",
) -> list[RunRecord]:
    """Returns the runs of all names, in their order: of the store, of a study, of a revision.

    Args:
        names: what the user typed.
        store: of runs.
        paths: where the files of a revision lie.
        trials: of a study, at most so many.
        root: the project's top folder.

    Raises:
        UserError: nothing has one of the names.
    """
    found: list[RunRecord] = []
    for name in names:
        if name in exported_names(root) and name not in store.names():
            of_name = exported_records(name, trials, root)  # though runs may begin like this
        else:
            of_name = store.named(name, trials)
        if not of_name:
            revision = revision_record(name, paths, root)
            of_name = [] if revision is None else [revision]
        if not of_name:
            known = chain(store.names(), exported_names(root), experiment_names(root))
            where = "neither a run, a study, nor a revision of git or DVC"
            raise UserError(f"{name!r}: {where}.{nearest(name, known)}")
        found += of_name
    return _different(found)


def require_several(runs: Sequence[RunRecord]) -> None:
    """Raises a UserError unless there are between two and MOST runs."""
    if len(runs) < 2:
        only = f" ({runs[0].name})" if runs else ""
        raise UserError(f"a comparison needs two runs, found {len(runs)}{only}; name another one")
    if len(runs) > MOST:
        raise UserError(f"{len(runs)} runs: at most {MOST} can stand side by side; name fewer")


def _different(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """Runs that were named twice, once."""
    return list({(run.source, run.name): run for run in runs}.values())

"""The pipeline as trials see it: values in, metrics out, in a workspace for each worker."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ncsn.sweep.trials.outcome import Outcome

if TYPE_CHECKING:  # it imports torch, which no worker needs
    from ncsn.config.advice import DataFacts
    from ncsn.sweep.trials.workspace import Workspace

OnRow = Callable[[Mapping[str, Any]], bool]
Locks = Callable[[str], AbstractContextManager[Any]]
Reproduce = Callable[[Mapping[str, Any], OnRow | None], Outcome]


class Pipeline(Protocol):
    """Runs the stages up to `evaluate` with a trial's values. It is sent to other processes."""

    def opened(self, worker: int) -> Reproduce:
        """Makes the workspace of one worker ready, in its own process."""

    def data_facts(self, values: Mapping[str, Any]) -> "DataFacts":
        """Returns what the advisor needs to know of the data under dotted `values`.

        Raises:
            UserError: the data cannot be had.
        """


@dataclass(frozen=True)
class ProjectPipeline:
    """That of the project at `main`.

    Attributes:
        main: the project's top folder.
        allow_dirty: trials run its working tree, not HEAD.
        locks: gives the lock of all hosts under which a result is computed, by its name; None
            locks among the workers of this machine alone.
        share: the project whose default remote in DVC has results of other hosts and gets those
            of this one; None keeps them here.
    """

    main: Path
    allow_dirty: bool
    locks: Locks | None = field(default=None, repr=False)
    share: Path | None = None

    def opened(self, worker: int) -> Reproduce:
        """Opens a worker's workspace; only here DVC is imported."""
        from ncsn.sweep.trials.configuration import reproduce_configuration

        return partial(reproduce_configuration, self._workspace(worker))

    def data_facts(self, values: Mapping[str, Any]) -> "DataFacts":
        """Returns what the advisor needs to know; arguments and errors as `Pipeline` says."""
        from ncsn.config.advice import data_facts
        from ncsn.sweep.trials.configuration import prepared_data

        workspace = self._workspace(0)
        try:
            return data_facts(prepared_data(workspace, values), values["data.name"])
        finally:
            if workspace.claim is not None:  # for the first worker
                workspace.claim.release()

    def _workspace(self, worker: int) -> "Workspace":
        from ncsn.sweep.trials.workspace import open_workspace

        dirty, locks, share = self.allow_dirty, self.locks, self.share
        return open_workspace(self.main, worker, allow_dirty=dirty, locks=locks, share=share)

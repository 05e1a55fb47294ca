"""Where the trials of a real study are done: workspaces of this project that share DVC's cache."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncsn.sweep.search.trial import Reproduce

if TYPE_CHECKING:  # it imports torch, which no worker needs
    from ncsn.config.advice import DataFacts


@dataclass(frozen=True)
class Project:
    """The project at `main`; with `allow_dirty` trials run its working tree instead of HEAD."""

    main: Path
    allow_dirty: bool

    def opened(self, worker: int) -> Reproduce:
        """Opens a worker's workspace; only here DVC is imported."""
        from ncsn.sweep.trials.configuration import reproduce_configuration
        from ncsn.sweep.trials.workspace import open_workspace

        workspace = open_workspace(self.main, worker, allow_dirty=self.allow_dirty)
        return partial(reproduce_configuration, workspace)

    def data_facts(self, values: Mapping[str, Any]) -> "DataFacts":
        """Returns what the advisor needs to know of the data under dotted `values`.

        Raises:
            UserError: the data cannot be had.
        """
        from ncsn.config.advice import data_facts
        from ncsn.sweep.trials.configuration import prepared_data
        from ncsn.sweep.trials.workspace import open_workspace

        workspace = open_workspace(self.main, 0, allow_dirty=self.allow_dirty)
        try:
            return data_facts(prepared_data(workspace, values), values["data.name"])
        finally:
            if workspace.claim is not None:  # for the first worker
                workspace.claim.release()

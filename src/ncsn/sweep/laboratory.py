"""Where the trials of a real study are done: workspaces of this project that share DVC's cache."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ncsn.sweep.trial import Reproduce

if TYPE_CHECKING:  # it imports torch, which no worker needs
    from ncsn.advice import DataFacts


@dataclass(frozen=True)
class Project:
    """The project at `main`; with `allow_dirty` trials run its working tree instead of HEAD."""

    main: Path
    allow_dirty: bool

    def opened(self, worker: int) -> Reproduce:
        """Opens a worker's workspace; only here DVC is imported."""
        from ncsn.sweep.configuration import reproduce_configuration
        from ncsn.sweep.workspace import open_workspace

        workspace = open_workspace(self.main, worker, allow_dirty=self.allow_dirty)
        return partial(reproduce_configuration, workspace)

    def data_facts(self, values: Mapping[str, Any]) -> "DataFacts":
        """Returns what the advisor needs, from the data that the project has prepared.

        Raises:
            UserError: other data are prepared, or none.
        """
        from ncsn.advice import data_facts
        from ncsn.params import load_params

        summary = load_params("paths", path=self.main / "params.yaml").paths.data_summary
        return data_facts(self.main / summary, values["data.name"])

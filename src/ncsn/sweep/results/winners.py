"""What is done with a study's best trials: kept as DVC experiments."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncsn.base.errors import UserError
from ncsn.config.params import PARAMS_FILE
from ncsn.config.preset import write_values
from ncsn.sweep.trials.configuration import reproduce_configuration
from ncsn.sweep.trials.dvc_repo import save_experiment
from ncsn.sweep.trials.workspace import (
    discard,
    fetch_experiment,
    open_workspace,
    restore_params,
)


def save_experiments(
    main: Path, rows: Mapping[str, Mapping[str, Any]], *, allow_dirty: bool = False
) -> list[str]:
    """Keeps configurations as DVC experiments on HEAD, which `dvc exp show` lists.

    Args:
        main: the project's top folder.
        rows: dotted params of each experiment, by its name.
        allow_dirty: the experiments hold the working tree's sources, as their trials did.

    Returns:
        The names.

    Raises:
        UserError: DVC refuses a name, or a configuration fails.
    """
    workspace = open_workspace(main, 0, allow_dirty=allow_dirty)
    for name, values in rows.items():
        outcome = reproduce_configuration(workspace, values)
        restore_params(workspace)  # as a person knows it, not as JSON
        write_values(values, workspace.root / PARAMS_FILE)
        try:
            save_experiment(workspace.root, name, [stage.stage for stage in outcome.stages])
        except UserError:
            discard(workspace)
            raise
        fetch_experiment(workspace, name)
    return list(rows)

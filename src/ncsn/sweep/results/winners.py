"""What is done with a study's best trials: taken over, kept as DVC experiments, scored again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ncsn.config.params import PARAMS_FILE
from ncsn.config.preset import write_values
from ncsn.sweep.trials.configuration import reproduce_configuration
from ncsn.sweep.trials.dvc_repo import save_experiment
from ncsn.sweep.trials.outcome import Outcome
from ncsn.sweep.trials.workspace import (
    Workspace,
    fetch_experiment,
    open_workspace,
    restore_params,
)


def apply_trial(values: Mapping[str, Any], params_path: str | Path = PARAMS_FILE) -> list[str]:
    """Writes a trial's values into params.yaml and keeps the comments.

    `dvc repro evaluate` in the same project then takes every stage from the cache that the trial
    filled, as long as the sources are the trial's.

    Args:
        values: dotted params.
        params_path: the file.

    Returns:
        A line for each value that changed.

    Raises:
        UserError: no such key, or a broken rule; the file is then untouched.
    """
    return write_values(values, params_path)


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
        stages = [stage.stage for stage in outcome.stages]
        fetch_experiment(workspace, save_experiment(workspace.root, name, stages))
    return list(rows)


def confirm(
    workspace: Workspace, values: Mapping[str, Any], seeds: Sequence[int], num_samples: int
) -> list[Outcome]:
    """Scores a configuration again with fresh draws of its network.

    Args:
        workspace: where.
        values: dotted params of the trial.
        seeds: a draw for each, as `sample.seed`.
        num_samples: images of each draw.

    Returns:
        What came of each seed; `samples` and `log` of the last one alone still stand.
    """
    draw = {"sample.num_samples": num_samples}
    return [
        reproduce_configuration(workspace, {**values, **draw, "sample.seed": seed})
        for seed in seeds
    ]

"""What is done with a study's best trials: kept as DVC experiments, drawn again."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

from ncsn.base.errors import UserError
from ncsn.base.trial_record import TrialRecord
from ncsn.config.params import PARAMS_FILE
from ncsn.config.preset import write_values
from ncsn.sweep.results.status import point_text
from ncsn.sweep.trials.configuration import reproduce_configuration
from ncsn.sweep.trials.dvc_repo import save_experiment
from ncsn.sweep.trials.workspace import (
    Workspace,
    discard,
    fetch_experiment,
    open_workspace,
    restore_params,
)


class FreshDraw(NamedTuple):
    """How a trial is drawn again: a draw of `num_samples` images for each seed."""

    seeds: Sequence[int]
    num_samples: int


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


def drawn_again(
    workspace: Workspace, values: Mapping[str, Any], draw: FreshDraw
) -> Iterator[dict[str, float | str]]:
    """Draws from a trial's network with fresh seeds, and yields the metrics of each draw.

    Args:
        workspace: where.
        values: dotted params of the trial.
        draw: seeds and number of images.
    """
    for seed in draw.seeds:
        own = {"sample.num_samples": draw.num_samples, "sample.seed": seed}
        yield reproduce_configuration(workspace, {**values, **own}).metrics


def comparison_lines(
    trial: TrialRecord, draw: FreshDraw, fresh: Mapping[str, Sequence[float]]
) -> list[str]:
    """Returns what the search saw of a trial beside mean and spread of its fresh draws.

    Args:
        trial: a complete one.
        draw: how it was drawn again.
        fresh: values of each objective, in the order of the study.
    """
    lines = [f"trial {trial.number} ({point_text(trial.point)}), {draw.num_samples} images:"]
    for (name, values), seen in zip(fresh.items(), trial.objectives or (), strict=True):
        spread = f" +- {stdev(values):.3g}" if len(values) > 1 else ""
        lines.append(f"    {name} {seen:.4g} in the search, {fmean(values):.4g}{spread} fresh")
    return lines

"""One configuration through the DAG of a workspace: values in, metrics out.

No stage runs whose result any workspace of the same DVC cache has; two workers never train the
same network at once; a training that was interrupted goes on from its last checkpoint, whichever
workspace takes it up. The unfinished work of a stopped training is kept for that, too.
"""

import contextlib
import copy
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncsn.base.errors import Diverged
from ncsn.base.files import whole_file
from ncsn.base.outside import PROJECT
from ncsn.base.records import SampleRecord, read_metrics, read_record
from ncsn.config.params import PARAMS_FILE, checked_params
from ncsn.config.paths import PathsParams, load_paths
from ncsn.config.preset import set_known
from ncsn.runtime.dag import stage_key
from ncsn.runtime.unfinished import SHARED_WORK
from ncsn.sweep.trials.dvc_repo import reproduce
from ncsn.sweep.trials.outcome import Outcome, StageFailed, StageOutcome, Stopped
from ncsn.sweep.trials.process import run_stage
from ncsn.sweep.trials.rows import OnRow, TrainingRows
from ncsn.sweep.trials.workspace import Workspace
from ncsn.tracking.live import SWITCH

__all__ = [
    "Diverged",
    "Outcome",
    "StageFailed",
    "StageOutcome",
    "Stopped",
    "reproduce_configuration",
]

TRAIN, TARGET = "train", "evaluate"
LOG = "train_log.jsonl"  # in the work folder of a training


def reproduce_configuration(
    workspace: Workspace, values: Mapping[str, Any], on_row: OnRow | None = None
) -> Outcome:
    """Brings the stages up to `evaluate` to the given values.

    Args:
        workspace: where; its process may do one thing at a time.
        values: dotted params over those of the workspace's source.
        on_row: gets each row of the training log once, while the training runs, or all of them
            when its result was there; True stops the training.

    Raises:
        UserError: a value breaks a rule of params.yaml.
        Diverged: training or sampling left the finite numbers.
        StageFailed: a stage ended with an error.
        Stopped: `on_row` returned True; nothing runs any more.
    """
    begin = time.perf_counter()
    _set_params(workspace, values)
    root, rows, train_key = workspace.root, TrainingRows(_called_here(on_row)), ""
    paths = load_paths(root)

    def before(stage: str) -> None:
        nonlocal train_key
        if stage == TRAIN:
            train_key = stage_key(TRAIN, root, recorded=True)

    def after(stage: str) -> None:
        if stage == TRAIN:
            rows.read(root / paths.train_log)

    def run(stage: str, command: list[str], folder: str, env: Mapping[str, str]) -> None:
        live = workspace.shared / f"{TRAIN}-{train_key}" / LOG
        words = root / ".dvc" / "tmp" / f"{stage}.txt"
        watch = (lambda: rows.read(live)) if stage == TRAIN else (lambda: None)
        run_stage(stage, command, folder, _environment(workspace, env), words, watch)

    stages = reproduce(root, [TARGET], workspace.shared / "locks", run, before, after)
    return Outcome(
        metrics=_metrics(root, paths),
        stages=stages,
        train_key=train_key,
        seconds=time.perf_counter() - begin,
        samples=root / paths.samples,
        log=root / paths.train_log,
    )


def prepared_data(workspace: Workspace, values: Mapping[str, Any]) -> Path:
    """Brings the stage `prepare` to the given values and returns the path of the data's summary.

    Raises:
        UserError: a value breaks a rule of params.yaml, or the data cannot be had.
    """
    _set_params(workspace, values)
    root = workspace.root

    def run(stage: str, command: list[str], folder: str, env: Mapping[str, str]) -> None:
        words = root / ".dvc" / "tmp" / f"{stage}.txt"
        run_stage(stage, command, folder, _environment(workspace, env), words, lambda: None)

    reproduce(root, ["prepare"], workspace.shared / "locks", run, lambda _: None, lambda _: None)
    return root / load_paths(root).data_summary


def _called_here(on_row: OnRow | None) -> OnRow | None:
    """A caller's relative paths, such as an address of a store, mean its own current folder."""
    here = Path.cwd()

    def called(row: dict[str, Any]) -> bool:
        with contextlib.chdir(here):
            return bool(on_row and on_row(row))

    return called if on_row else None


def _set_params(workspace: Workspace, values: Mapping[str, Any]) -> None:
    """Writes params.yaml as JSON, which is YAML that DVC reads in no time."""
    document = copy.deepcopy(dict(workspace.base))
    set_known(document, values)
    checked_params(document)
    with whole_file(workspace.root / PARAMS_FILE) as partial:
        partial.write_text(json.dumps(document, indent=2) + "\n")


def _environment(workspace: Workspace, env: Mapping[str, str]) -> dict[str, str]:
    """Stages run this Python with the workspace's own source, whatever is installed beside it."""
    own = {
        PROJECT: str(workspace.main),  # where a user's relative paths begin
        SHARED_WORK: str(workspace.shared),
        SWITCH: "0",  # the sweep tells the tracker
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join(
            [str(workspace.root / "src"), *filter(None, [env.get("PYTHONPATH")])]
        ),
    }
    return {**env, **own}


def _metrics(root: Path, paths: PathsParams) -> dict[str, float | str]:
    metrics = read_metrics(root / paths.metrics)
    cost = read_record(root / paths.sample_summary, SampleRecord)
    return {**metrics, **{f"sample/{key}": value for key, value in cost.items()}}

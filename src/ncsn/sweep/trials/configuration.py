"""One configuration through the DAG of a workspace: values in, metrics out.

No stage runs whose result any workspace of the same DVC cache has; two workers never compute the
same at once; an interrupted training goes on from its last checkpoint, whichever workspace takes
it up.
"""

import copy
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ncsn.base.files import whole_file
from ncsn.base.outside import PROJECT
from ncsn.base.records import LOG, SampleRecord, read_metrics, read_record
from ncsn.config.params import PARAMS_FILE, checked_params
from ncsn.config.paths import load_paths
from ncsn.config.preset import set_known
from ncsn.runtime.dag import needed_stages, stage_key, stage_table
from ncsn.runtime.unfinished import SHARED_WORK
from ncsn.sweep.trials import dvc_repo
from ncsn.sweep.trials.command import Ended, run_command
from ncsn.sweep.trials.outcome import Outcome, StageOutcome
from ncsn.sweep.trials.pipeline import OnRow
from ncsn.sweep.trials.rows import TrainingRows
from ncsn.sweep.trials.workspace import Workspace
from ncsn.tracking.live import SWITCH

TRAIN, TARGET = "train", "evaluate"


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
    run = _Reproduction(workspace, values, on_row)
    stages = tuple(run.stages(TARGET))
    cost = read_record(workspace.root / run.paths.sample_summary, SampleRecord)
    counted = {f"sample/{key}": value for key, value in cost.items() if key != "execution"}
    metrics = read_metrics(workspace.root / run.paths.metrics)
    return Outcome(
        metrics=metrics | counted,
        stages=stages,
        train_key=run.keys[TRAIN],
        seconds=time.perf_counter() - begin,
        samples=workspace.root / run.paths.samples,
        log=run.log,
    )


def prepared_data(workspace: Workspace, values: Mapping[str, Any]) -> Path:
    """Brings the stage `prepare` to the given values and returns the path of the data's summary.

    Raises:
        UserError: a value breaks a rule of params.yaml, or the data cannot be had.
    """
    run = _Reproduction(workspace, values)
    for _ in run.stages("prepare"):
        pass
    return workspace.root / run.paths.data_summary


class _Reproduction:
    """The stages of one configuration, each computed under the lock of its key.

    Whoever finds a key locked waits, and then finds the result in DVC's run-cache, or in the
    remote. The lock of a process that was killed is free.
    """

    def __init__(
        self, workspace: Workspace, values: Mapping[str, Any], on_row: OnRow | None = None
    ):
        _set_params(workspace, values)
        self._workspace, self._rows = workspace, TrainingRows(on_row)
        self.paths = load_paths(workspace.root)
        self.log = workspace.root / self.paths.train_log
        self.keys: dict[str, str] = {}

    def stages(self, target: str) -> Iterator[StageOutcome]:
        """Brings `target` and all that it needs up to date; yields how each stage went."""
        root = self._workspace.root
        table = stage_table(root)
        with dvc_repo.opened(root, self._run, self._workspace.remote) as reproduce:
            for stage in needed_stages(target, root):
                begin = time.perf_counter()
                lock = None
                if not table[stage].get("always_changed"):  # its result is in no run-cache
                    self.keys[stage] = stage_key(stage, root, recorded=True)
                    lock = self._workspace.lock(f"result-{self.keys[stage]}")
                status = reproduce(stage, lock)
                yield StageOutcome(stage, status, time.perf_counter() - begin)
                if stage == TRAIN:
                    self._rows.read(self.log)

    def _run(self, stage: str, command: list[str], env: Mapping[str, str]) -> Ended:
        root = self._workspace.root
        output = root / ".dvc" / "tmp" / f"{stage}.txt"
        watch = self._read_live_rows if stage == TRAIN else _nothing
        return run_command(command, root, _environment(self._workspace, env), output, watch)

    def _read_live_rows(self) -> None:
        self._rows.read(self._workspace.shared / f"{TRAIN}-{self.keys[TRAIN]}" / LOG)


def _nothing() -> None:
    """Where there is nothing to watch."""


def _set_params(workspace: Workspace, values: Mapping[str, Any]) -> None:
    """Writes params.yaml as JSON, which is YAML too and needs no layout."""
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

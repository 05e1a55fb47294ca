"""DVC brings stages up to date, by commands that can be stopped.

DVC waits for the command of a stage, and has no interface by which it could be watched or stopped.
So DVC runs in this process, and ONE private function of it is replaced: `dvc.stage.run._run`. That
is known to work with the versions KNOWN, with which goes what `remote` takes of DVC. Of any other
one the command line alone is used: each stage is a `dvc repro` in a process of its own, which
takes seconds longer.
"""

import contextlib
import importlib
import inspect
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from packaging.specifiers import SpecifierSet

from ncsn.base.errors import UserError
from ncsn.base.progress import notice
from ncsn.sweep.trials.command import Ended, failure
from ncsn.sweep.trials.outcome import CACHED, RAN, UNCHANGED, StageFailed
from ncsn.sweep.trials.remote import STAGE_HASH, Remote

KNOWN = SpecifierSet(">=3.67,<3.68")
RunCommand = Callable[[str, list[str], Mapping[str, str]], Ended]
Lock = AbstractContextManager[Any]
ReproduceStage = Callable[[str, Lock | None], str]
_MODULE, _RUN, _PARAMETERS = "dvc.stage.run", "_run", ["executable", "cmd", "kwargs"]
_EXITED = re.compile(r"^ERROR: failed to reproduce .*exited with (-?\d+)", re.MULTILINE)
logging.getLogger("dvc").setLevel(logging.CRITICAL)  # every failure is raised as well


@contextlib.contextmanager
def opened(root: Path, run: RunCommand, remote: Remote | None = None) -> Iterator[ReproduceStage]:
    """Opens a workspace; no other process may use it.

    Args:
        root: the workspace.
        run: runs a command in the workspace: name of the stage, program with arguments,
            environment. What it raises ends the stage and is raised as it is.
        remote: is looked into before a command runs, and gets its result.

    Yields:
        A function that brings the outs of a stage up to date, those of all stages before it being
        there, and returns "ran", "cached" or "unchanged". It takes the stage's name, and the lock
        under which its result is looked for, computed and kept. Without a lock the remote is
        left alone. It raises StageFailed or Diverged.

    Raises:
        UserError: DVC cannot read the workspace.
    """
    if not is_installed_known():
        _say_slow(version("dvc"))
        yield partial(_by_command, root, run, remote)
        return
    from dvc.repo import Repo, lock_repo

    config = remote.config() if remote else None
    with dvc_faults(root), closing(Repo(str(root), config=config)) as repo, lock_repo(repo):
        stages = {stage.name: stage for stage in repo.index.stages}
        yield lambda name, lock: _in_process(root, stages[name], run, lock, remote)


def is_installed_known() -> bool:
    """Whether commands of the installed DVC can be taken over."""
    return is_known(version("dvc"))


def is_known(dvc: str) -> bool:
    """Whether commands of this version of DVC, which is the installed one, can be taken over."""
    if dvc not in KNOWN:
        return False
    return all(
        callable(function := getattr(importlib.import_module(module), name, None))
        and [*inspect.signature(function).parameters] == parameters
        for module, name, parameters in ((_MODULE, _RUN, _PARAMETERS), STAGE_HASH)
    )


def save_experiment(root: Path, name: str, stages: Sequence[str]) -> None:
    """Saves stages of a workspace as an experiment; unnamed, DVC would ask for all stages' outs.

    Raises:
        UserError: DVC refuses it; where that is for a submodule, git's index is left broken.
    """
    try:
        dvc_command(root, "exp", "save", "--force", "--name", name, *stages)
    except UserError as error:
        raise UserError(f"DVC cannot save an experiment here: {error}") from None


def dvc_command(root: Path, *arguments: str) -> str:
    """Runs DVC's command line and returns what it printed.

    Raises:
        UserError: it ended with an error.
    """
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, errors="replace")
    if done.returncode:
        reason = done.stderr.strip().rpartition("ERROR: ")[2].partition("\n")[0]
        raise UserError(f"{root}: DVC says: {reason}")
    return done.stdout


def _in_process(
    root: Path, stage: Any, run: RunCommand, lock: Lock | None, remote: Remote | None
) -> str:
    """DVC looks for dvc.yaml in the current folder; a command finds that of the caller again.

    The lock is held from before DVC looks into its run-cache until the result is there: DVC
    writes a record in steps, and one that is half there it takes for broken and deletes.
    """
    ran, here = False, Path.cwd()

    def run_here(executable: str | None, cmd: str, **kwargs: Any) -> None:
        nonlocal ran
        if lock is not None and remote and remote.fetched(stage):
            return
        ran = True
        with contextlib.chdir(here):
            ended = run(stage.name, ["/bin/sh", "-c", cmd], kwargs["env"])
        if ended.status:
            raise failure(stage.name, ended)

    with contextlib.chdir(root), dvc_faults(root, stage.name), _commands_run_by(run_here):
        with lock if lock is not None and stage.changed() else nullcontext():
            changed = stage.reproduce()
            if changed:
                stage.dump(update_pipeline=False)
            if ran and lock is not None and remote:
                remote.push(stage)
    return RAN if ran else CACHED if changed else UNCHANGED


@contextlib.contextmanager
def _commands_run_by(function: Callable[..., None]) -> Iterator[None]:
    module = importlib.import_module(_MODULE)
    original = getattr(module, _RUN)
    setattr(module, _RUN, function)
    try:
        yield
    finally:
        setattr(module, _RUN, original)


def _by_command(
    root: Path, run: RunCommand, remote: Remote | None, stage: str, lock: Lock | None
) -> str:
    """The same by DVC's command line, which says in words how the stage went.

    All records of the remote are looked through, and what is not cached, such as metrics, does
    not come with them.
    """
    if lock is None:
        return _by_repro(run, stage)
    with lock:
        if remote is None:
            return _by_repro(run, stage)
        remote.tried(lambda: dvc_command(root, "fetch", "--quiet", "--run-cache", stage))
        status = _by_repro(run, stage, "--pull")
        if status == RAN:
            remote.tried(lambda: dvc_command(root, "push", "--quiet", "--run-cache", stage))
    return status


def _by_repro(run: RunCommand, stage: str, *options: str) -> str:
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", *options, stage]
    ended = run(stage, command, os.environ)
    exited = _EXITED.search(ended.text)
    if exited:
        text = ended.text[: exited.start()]
        raise failure(stage, Ended(int(exited[1]), text))
    if ended.status:
        raise failure(stage, ended)
    if f"Running stage '{stage}'" in ended.text:
        return RAN
    return CACHED if f"Stage '{stage}' is cached" in ended.text else UNCHANGED


@cache
def _say_slow(dvc: str) -> None:
    slow = "each stage is a `dvc repro` of its own and takes seconds longer"
    notice(f"DVC {dvc} is not known to work with sweeps ({KNOWN} is); {slow}")


@contextlib.contextmanager
def dvc_faults(root: Path, stage: str = "") -> Iterator[None]:
    """Raises DVC's own errors in the block as UserError, those of a stage as StageFailed."""
    try:
        yield
    except DvcException as error:
        if stage:
            raise StageFailed(f"{stage}: {error}") from error
        raise UserError(f"{root}: DVC says: {error}") from error

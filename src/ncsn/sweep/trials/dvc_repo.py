"""DVC brings stages up to date, by commands that can be stopped.

DVC waits for the command of a stage, and has no interface by which it could be watched or stopped.
So DVC runs in this process, and ONE private function of it is replaced: `dvc.stage.run._run`. That
is known to work with the versions KNOWN. Of any other one the command line alone is used: each
stage is a `dvc repro` in a process of its own, which takes seconds longer.
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

KNOWN = SpecifierSet(">=3.67,<3.68")
RunCommand = Callable[[str, list[str], Mapping[str, str]], Ended]
ReproduceStage = Callable[[str], str]
_RUN, _PARAMETERS = "_run", ["executable", "cmd", "kwargs"]
_EXITED = re.compile(r"^ERROR: failed to reproduce .*exited with (-?\d+)", re.MULTILINE)
logging.getLogger("dvc").setLevel(logging.CRITICAL)  # every failure is raised as well


@contextlib.contextmanager
def opened(root: Path, run: RunCommand) -> Iterator[ReproduceStage]:
    """Opens a workspace; no other process may use it.

    Args:
        root: the workspace.
        run: runs a command in the workspace: name of the stage, program with arguments,
            environment. What it raises ends the stage and is raised as it is.

    Yields:
        A function that brings the outs of a stage up to date, those of all stages before it being
        there, and returns "ran", "cached" or "unchanged". It raises StageFailed or Diverged.

    Raises:
        UserError: DVC cannot read the workspace.
    """
    if not is_known(version("dvc")):
        _say_slow(version("dvc"))
        yield partial(_by_command, run)
        return
    from dvc.repo import Repo, lock_repo

    with _faults(root), contextlib.closing(Repo(str(root))) as repo, lock_repo(repo):
        stages = {stage.name: stage for stage in repo.index.stages}
        yield lambda name: _in_process(root, stages[name], run)


def is_known(dvc: str) -> bool:
    """Whether commands of this version of DVC, which is the installed one, can be taken over."""
    if dvc not in KNOWN:
        return False
    replaced = getattr(importlib.import_module("dvc.stage.run"), _RUN, None)
    return callable(replaced) and [*inspect.signature(replaced).parameters] == _PARAMETERS


def share_cache(main: Path, root: Path) -> None:
    """Lets a workspace use the cache of the project at `main`.

    By a link and by .dvc/config.local, which git ignores: DVC's own writer of that file knows
    no letters beyond ASCII, and a link's name is as it was chosen wherever the project lies.
    """
    folder, settings = _cache_of(main)
    link = root / ".dvc" / "tmp" / "main_cache"
    for parent in (folder, link.parent):
        parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    set_there = [f"{name} = {value}" for name, value in settings.items() if value]
    lines = ["[cache]", "dir = tmp/main_cache", *set_there]
    (root / ".dvc" / "config.local").write_text("\n".join(lines) + "\n")
    # Names processes that hold paths; one that was killed stays in it, and its number comes back.
    (root / ".dvc" / "tmp" / "rwlock").unlink(missing_ok=True)


def save_experiment(root: Path, name: str, stages: Sequence[str]) -> None:
    """Saves stages of a workspace as an experiment; unnamed, DVC would ask for all stages' outs.

    Raises:
        UserError: DVC refuses it; where that is for a submodule, git's index is left broken.
    """
    try:
        _dvc(root, "exp", "save", "--force", "--name", name, *stages)
    except UserError as error:
        raise UserError(f"DVC cannot save an experiment here: {error}") from None


def _cache_of(main: Path) -> tuple[Path, dict[str, str]]:
    """The folder of a project's cache, and how files are linked from it and shared."""
    names = ("type", "shared")
    if not is_known(version("dvc")):
        lines = _dvc(main, "config", "--list").splitlines()
        listed = dict(line.split("=", 1) for line in lines if "=" in line)
        folder = Path(_dvc(main, "cache", "dir").removesuffix("\n"))
        return folder, {name: listed.get(f"cache.{name}", "") for name in names}
    from dvc.repo import Repo

    with _faults(main), contextlib.closing(Repo(str(main))) as repo:
        config, folder = repo.config["cache"], Path(repo.cache.local_cache_dir).absolute()
    values = {name: config.get(name) or "" for name in names}
    return folder, {k: v if isinstance(v, str) else ",".join(v) for k, v in values.items()}


def _dvc(root: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, errors="replace")
    if done.returncode:
        reason = done.stderr.strip().rpartition("ERROR: ")[2].partition("\n")[0]
        raise UserError(f"{root}: DVC says: {reason}")
    return done.stdout


def _in_process(root: Path, stage: Any, run: RunCommand) -> str:
    """DVC looks for dvc.yaml in the current folder; a command finds that of the caller again."""
    ran, here = False, Path.cwd()

    def run_here(executable: str | None, cmd: str, **kwargs: Any) -> None:
        nonlocal ran
        ran = True
        with contextlib.chdir(here):
            ended = run(stage.name, ["/bin/sh", "-c", cmd], kwargs["env"])
        if ended.status:
            raise failure(stage.name, ended)

    with contextlib.chdir(root), _faults(root, stage.name), _commands_run_by(run_here):
        changed = stage.reproduce()
        if changed:
            stage.dump(update_pipeline=False)
    return RAN if ran else CACHED if changed else UNCHANGED


@contextlib.contextmanager
def _commands_run_by(function: Callable[..., None]) -> Iterator[None]:
    module = importlib.import_module("dvc.stage.run")
    original = getattr(module, _RUN)
    setattr(module, _RUN, function)
    try:
        yield
    finally:
        setattr(module, _RUN, original)


def _by_command(run: RunCommand, stage: str) -> str:
    """The same by DVC's command line, which says in words how the stage went."""
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", stage]
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
def _faults(root: Path, stage: str = "") -> Iterator[None]:
    try:
        yield
    except DvcException as error:
        if stage:
            raise StageFailed(f"{stage}: {error}") from error
        raise UserError(f"{root}: DVC says: {error}") from error

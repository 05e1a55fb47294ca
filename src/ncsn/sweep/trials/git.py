"""Git as sweeps ask it: any path, any language, and what it refuses in one line."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ncsn.base.errors import UserError

START = "git init && git add -A && git commit -m start"
# A hook or `git rebase --exec` that starts a sweep sets these for a repository of its own.
_OF_ANOTHER = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")


def git(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Returns what a git command prints; a file name of any encoding keeps its bytes.

    Args:
        folder: where it runs.
        arguments: of git.
        env: added to the environment.

    Raises:
        UserError: it fails, or there is no git.
    """
    own = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER}
    command = ["git", *arguments]
    try:
        done = subprocess.run(
            command, cwd=folder, env={**own, "LC_ALL": "C", **(env or {})}, capture_output=True
        )
    except FileNotFoundError:
        raise UserError("a study needs git, and there is no such command; install it") from None
    if done.returncode:
        reason = " ".join(os.fsdecode(done.stderr).split())
        raise UserError(f"git {arguments[0]} in {folder}: {reason}")
    return os.fsdecode(done.stdout)


def head(main: Path) -> str:
    """Returns the commit of the project at `main`.

    Raises:
        UserError: the project is not in git, has no commit, or belongs to somebody else.
    """
    place_in_git(main)
    try:
        return git(main, "rev-parse", "--verify", "HEAD").strip()
    except UserError:
        commit = START.removeprefix("git init && ")
        raise UserError(f"{main}: a study needs at least one commit; make it: {commit}") from None


def place_in_git(main: Path) -> tuple[Path, Path]:
    """Returns the top folder of the repository around `main`, and the project's path in it.

    Raises:
        UserError: there is none, or git does not trust its owner.
    """
    try:
        inside = git(main, "rev-parse", "--show-prefix").removesuffix("\n")
        up = git(main, "rev-parse", "--show-cdup").removesuffix("\n")
    except UserError as error:
        raise UserError(_advice(main, str(error))) from None
    return (main / up).resolve(), Path(inside)


def _advice(main: Path, reason: str) -> str:
    if "dubious ownership" in reason:
        _, _, command = reason.rpartition("call: ")
        return f"{main}: git does not trust a folder of another owner; if you do: {command}"
    if "not a git repository" in reason:
        need = "a study needs the project in git with at least one commit that tells what ran"
        return f"{main}: {need}; make it: {START}"
    return reason

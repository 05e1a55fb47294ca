"""Git as this project asks it: any path, any language, and what it refuses in one line."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ncsn.base.errors import UserError

# A hook or `git rebase --exec` that starts a command sets these for a repository of its own.
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
        raise UserError("git is needed, and there is no such command; install it") from None
    if done.returncode:
        reason = " ".join(os.fsdecode(done.stderr).split())
        raise UserError(f"git {arguments[0]} in {folder}: {reason}")
    return os.fsdecode(done.stdout)

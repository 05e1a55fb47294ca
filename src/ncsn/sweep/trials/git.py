"""The project's place in git, as sweeps need it."""

from pathlib import Path

from ncsn.base.errors import UserError
from ncsn.base.git import git

START = "git init && git add -A && git commit -m start"


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


def has_commit(main: Path, commit: str) -> bool:
    """Whether the repository around `main` has a commit; False where there is none."""
    try:
        git(main, "cat-file", "-e", f"{commit}^{{commit}}")
    except UserError:
        return False
    return True


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

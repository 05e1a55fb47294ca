"""A worker's own copy of the project: a clone with the source of the study and a shared cache.

Its HEAD is the main tree's commit and its files are that commit's, or exactly the main tree's
with `allow_dirty`. All lies under `paths.work` of the main tree, in `sweep/`, and may be deleted.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from ncsn.errors import UserError
from ncsn.io import whole_folder
from ncsn.marked import MARK, refuse_foreign
from ncsn.params import PARAMS_FILE, Params, load_params
from ncsn.sweep.dvc_repo import cache_folder, share_cache
from ncsn.yaml_file import read_yaml

# What decides a result. Elsewhere untracked files decide nothing, and these do not count at all:
SOURCES = ("src", "pipeline", "params.yaml", "dvc.yaml", ".dvcignore", ".gitignore", ".dvc")
FREE = ("studies/", "reports/", "dvc.lock")


@dataclass(frozen=True)
class Workspace:
    """A clone at `root` of the project at `main`, claimed by this process while it lives."""

    root: Path
    main: Path
    base: Mapping[str, Any]  # params.yaml of the source, without any trial's values
    claim: BaseFileLock | None = field(default=None, repr=False, compare=False)

    @property
    def shared(self) -> Path:
        """Folder of unfinished work and of locks that all workspaces share."""
        return self.root.parent / "shared"


def checked_source(main: Path, *, allow_dirty: bool) -> None:
    """Refuses a main tree whose trials could not be told by its commit.

    Args:
        main: the project's top folder.
        allow_dirty: changes are wanted; trials run exactly the working tree.

    Raises:
        UserError: files are changed against HEAD; or there is no commit.
    """
    _head(main)
    if allow_dirty:
        return
    changed = _changed_files(main)
    if changed:
        listed = "\n       ".join(changed)
        raise UserError(
            "a study needs a commit that tells what ran; changed since the last one:\n"
            f"       {listed}\n       Commit them, or give --allow-dirty to run them as they are"
        )


def open_workspace(main: Path, worker: int, *, allow_dirty: bool) -> Workspace:
    """Makes a worker's workspace, or brings an old one to the source of the main tree.

    Args:
        main: the project's top folder.
        worker: number in the workspace's name; a larger one when another process has that.
        allow_dirty: take the files of the working tree (tracked ones, and untracked ones among
            the sources, without deleted ones) instead of those of HEAD.

    Raises:
        UserError: no commit, params.yaml is broken, or a folder of the workspace's name is there
            that was not made here.
    """
    main = main.resolve()
    head = _head(main)
    sweep = main / load_params("paths", path=main / PARAMS_FILE).paths.work / "sweep"
    sweep.mkdir(parents=True, exist_ok=True)
    root, claim = _claimed(sweep, worker)
    refuse_foreign(root)
    if not (root / ".git").is_dir():
        with whole_folder(root) as folder:
            _git(folder, "clone", "--quiet", "--no-checkout", str(main), ".")
    _git(root, "fetch", "--quiet", "--no-tags", str(main), head)
    _git(root, "update-ref", "--no-deref", "HEAD", head)
    tree = _working_tree(main, root) if allow_dirty else f"{head}^{{tree}}"
    _git(root, "read-tree", "--reset", "-u", tree)
    _git(root, "clean", "--quiet", "-d", "--force", f"--exclude=/{MARK}")
    _share(main, root)
    return Workspace(root, main, read_yaml(root / PARAMS_FILE), claim)


def link_inputs(workspace: Workspace, params: Params) -> None:
    """Links what a user keeps outside git, such as `raw/`, so that relative paths find it.

    The values themselves stay as they are: other ones would be other keys for DVC.
    """
    root = Path(params.data.root)
    if not root.is_absolute():
        (workspace.main / root).mkdir(parents=True, exist_ok=True)  # downloads serve everybody
    for name in (params.data.root, params.data.path, params.reference.weights_path):
        if name is None or Path(name).is_absolute():
            continue
        link, target = workspace.root / name, workspace.main / name
        if target.exists() and not os.path.lexists(link):
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)


def params_text(workspace: Workspace) -> str:
    """Returns params.yaml of the workspace's source with its comments."""
    return _git(workspace.root, "show", f":{PARAMS_FILE}")


def fetch_experiment(workspace: Workspace, reference: str) -> None:
    """Brings an experiment that was saved in the workspace into the main tree's git."""
    root = str(workspace.root)
    _git(workspace.main, "fetch", "--quiet", "--no-tags", root, f"+{reference}:{reference}")


def _claimed(sweep: Path, first: int) -> tuple[Path, BaseFileLock]:
    for number in count(first):
        claim = FileLock(sweep / f"worker-{number}.lock")
        try:
            claim.acquire(timeout=0)
        except Timeout:
            continue
        return sweep / f"worker-{number}", claim
    raise AssertionError("counting has no end")


def _working_tree(main: Path, root: Path) -> str:
    """Returns a git tree in the clone that equals the main tree; main's git is left alone."""
    index = root / ".git" / "main-index"
    env = {"GIT_DIR": str(root / ".git"), "GIT_WORK_TREE": str(main), "GIT_INDEX_FILE": str(index)}
    _git(main, "read-tree", "HEAD", env=env)
    _git(main, "add", "--update", env=env)
    present = [name for name in SOURCES if (main / name).exists()]
    _git(main, "add", "--", *present, env=env)
    return _git(main, "write-tree", env=env).strip()


def _share(main: Path, root: Path) -> None:
    local = main / ".dvc" / "config.local"
    (root / ".dvc" / "config.local").unlink(missing_ok=True)
    if local.exists():
        shutil.copy(local, root / ".dvc")
    share_cache(root, cache_folder(main))


def _changed_files(main: Path) -> list[str]:
    changed = _git(main, "diff", "--name-only", "-z", "HEAD").split("\0")
    others = "ls-files", "--others", "--exclude-standard", "-z", "--", *SOURCES
    new = _git(main, *others).split("\0")
    return sorted({name for name in changed + new if name and not name.startswith(FREE)})


def _head(main: Path) -> str:
    try:
        return _git(main, "rev-parse", "--verify", "HEAD").strip()
    except UserError:
        raise UserError(
            f"{main}: a study needs the project in git with at least one commit"
        ) from None


def _git(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise UserError(f"git {arguments[0]} in {folder}: {done.stderr.strip()}")
    return done.stdout

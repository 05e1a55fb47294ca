"""A worker's own copy of the project: a clone with the source of the study and a shared cache.

Its HEAD is the main tree's commit and its files are that commit's, or exactly the main tree's
with `allow_dirty`. All lies under `paths.work` of the main tree, in `sweep/`, and may be deleted.
A project that is a folder of a larger repository has its workspaces in clones of the whole of it.
"""

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from filelock import BaseFileLock, FileLock, Timeout

from ncsn.base.errors import UserError
from ncsn.base.files import whole_folder
from ncsn.base.git import git
from ncsn.base.marked import MARK, refuse_foreign, remove_marked
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import PARAMS_FILE, load_params
from ncsn.runtime.unfinished import SHARED_WORK
from ncsn.sweep.trials.changes import changed_params
from ncsn.sweep.trials.dvc_settings import default_remote, share_cache
from ncsn.sweep.trials.git import head, place_in_git
from ncsn.sweep.trials.pipeline import Locks
from ncsn.sweep.trials.remote import Remote

# What decides a result. Elsewhere untracked files decide nothing, and these do not count at all:
SOURCES = ("src", "pipeline", "params.yaml", "dvc.yaml", ".dvcignore", ".gitignore", ".dvc")
FREE = ("studies/", "reports/", "dvc.lock")
_LINE_ENDINGS = ("core.autocrlf", "core.eol")  # they decide a file's bytes, and DVC hashes bytes
_UNUSABLE = {os.pathsep: "separates paths", "{": "DVC takes for a field", "}": "DVC takes so too"}
_SUBMODULE = "160000"  # git's mode of an entry that is another repository


@dataclass(frozen=True)
class Workspace:
    """The project at `main` in a clone, claimed by this process while it lives.

    Attributes:
        root: the project's folder in the clone.
        clone: the clone's top folder.
        main: the project's top folder.
        base: params.yaml of the source, without any trial's values.
        shared: folder of unfinished work that all workspaces share.
        lock: gives the lock on a result that is being computed, by its name.
        remote: what has results of other hosts and gets those of this one; None without any.
        claim: the lock that keeps other processes away.
    """

    root: Path
    clone: Path
    main: Path
    base: Mapping[str, Any]
    shared: Path
    lock: Locks = field(repr=False, compare=False)
    remote: Remote | None = field(default=None, repr=False, compare=False)
    claim: BaseFileLock | None = field(default=None, repr=False, compare=False)


def checked_source(main: Path, *, allow_dirty: bool, set_by_trials: Collection[str] = ()) -> None:
    """Refuses a main tree whose trials could not be told by its commit.

    Args:
        main: the project's top folder.
        allow_dirty: changes are wanted; trials run exactly the working tree.
        set_by_trials: keys of params.yaml whose values there decide nothing, since every trial
            sets them; `apply` changes no others.

    Raises:
        UserError: files are changed against HEAD, no workspace can be made of the project, or
            there is no commit.
    """
    head(main)
    _refuse_what_no_clone_has(main)
    if allow_dirty:
        return
    changed = _changed_files(main)
    if str(PARAMS_FILE) in changed and changed_params(main) <= set(set_by_trials):
        changed.remove(str(PARAMS_FILE))
    if changed:
        listed = "\n       ".join(changed)
        raise UserError(
            "a study needs a commit that tells what ran; changed since the last one:\n"
            f"       {listed}\n       Commit them, or give --allow-dirty to run them as they are"
        )


def open_workspace(
    main: Path,
    worker: int,
    *,
    allow_dirty: bool,
    locks: Locks | None = None,
    share: Path | None = None,
) -> Workspace:
    """Makes a worker's workspace, or brings an old one to the source of the main tree.

    Args:
        main: the project's top folder.
        worker: number in the workspace's name; a larger one when another process has that.
        allow_dirty: take the files of the working tree (tracked ones, and untracked ones among
            the sources, without deleted ones) instead of those of HEAD.
        locks: gives the lock of all hosts on a result, by its name, taken after this machine's.
        share: the project whose default remote, if it has one, takes and gives results.

    Raises:
        UserError: no commit, params.yaml is broken, or a folder of the workspace's name is there
            that was not made here.
    """
    main = main.resolve()
    commit, (top, inside) = head(main), place_in_git(main)
    sweep = main / load_params("paths", path=main / PARAMS_FILE).paths.work / "sweep"
    sweep.mkdir(parents=True, exist_ok=True)
    root, claim = _claimed(sweep, worker)
    refuse_foreign(root)
    if not (root / ".git").is_dir():
        with whole_folder(root) as folder:
            git(folder, "clone", "--quiet", "--no-checkout", str(top), ".")
    for key in _LINE_ENDINGS:
        value = git(main, "config", "--default", "", "--get", key).removesuffix("\n")
        git(root, "config", key, value)
    git(root, "fetch", "--quiet", "--no-tags", "--update-shallow", str(top), commit)
    git(root, "update-ref", "--no-deref", "HEAD", commit)
    tree = _working_tree(main, top, root) if allow_dirty else f"{commit}^{{tree}}"
    git(root, "read-tree", "--reset", "-u", tree)
    git(root, "clean", "--quiet", "-d", "--force", f"--exclude=/{MARK}")
    place = root / inside
    shared = _shared_work(main, sweep)
    remote = default_remote(share) if share else None
    share_cache(main, place, remote)
    params, lock = read_yaml(place / PARAMS_FILE), partial(_lock, shared / "locks", locks)
    return Workspace(place, root, main, params, shared, lock, remote, claim)


def restore_params(workspace: Workspace) -> None:
    """Brings params.yaml of the workspace's source back, with its comments."""
    git(workspace.root, "checkout-index", "--force", "--", str(PARAMS_FILE))


def fetch_experiment(workspace: Workspace, name: str) -> None:
    """Brings an experiment that was saved in the workspace into the main tree's git."""
    commit = head(workspace.root)
    reference = f"refs/exps/{commit[:2]}/{commit[2:]}/{name}"
    source, refs = str(workspace.clone), f"+{reference}:{reference}"
    git(workspace.main, "fetch", "--quiet", "--no-tags", source, refs)


def discard(workspace: Workspace) -> None:
    """Removes a clone whose git may be broken; the next one to be opened is made anew."""
    remove_marked(workspace.clone)
    if workspace.claim is not None:
        workspace.claim.release()


def _shared_work(main: Path, sweep: Path) -> Path:
    """The folder of unfinished work: the user's, which several hosts may share, or our own."""
    shared = Path(os.environ.get(SHARED_WORK) or sweep / "shared").absolute()
    shared.mkdir(parents=True, exist_ok=True)
    return shared


@contextmanager
def _lock(folder: Path, locks: Locks | None, name: str) -> Iterator[None]:
    """This machine's lock, which keeps others out of the unfinished work, then that of all."""
    folder.mkdir(exist_ok=True)
    with FileLock(folder / f"{name}.lock"), locks(name) if locks else nullcontext():
        yield


def _claimed(sweep: Path, first: int) -> tuple[Path, BaseFileLock]:
    for number in count(first):
        claim = FileLock(sweep / f"worker-{number}.lock")
        try:
            claim.acquire(timeout=0)
        except Timeout:
            continue
        return sweep / f"worker-{number}", claim
    raise AssertionError("counting has no end")


def _working_tree(main: Path, top: Path, root: Path) -> str:
    """Returns a git tree in the clone that equals the main tree; main's git is left alone."""
    index = root / ".git" / "main-index"
    env = {"GIT_DIR": str(root / ".git"), "GIT_WORK_TREE": str(top), "GIT_INDEX_FILE": str(index)}
    git(main, "read-tree", "HEAD", env=env)
    git(main, "add", "--update", env=env)
    present = [name for name in SOURCES if (main / name).exists()]
    git(main, "add", "--", *present, env=env)
    return git(main, "write-tree", env=env).strip()


def _refuse_what_no_clone_has(main: Path) -> None:
    place = str(main.resolve())
    for sign, whose in _UNUSABLE.items():
        if sign in place:
            rule = f"a study cannot run in a path with '{sign}', which {whose}"
            raise UserError(f"{place}: {rule}; move the project")
    try:
        place.encode()
    except UnicodeEncodeError:
        shown = place.encode(errors="backslashreplace").decode()
        rule = "DVC cannot work in a path that this locale cannot read"
        raise UserError(f"{shown}: {rule}; set LC_ALL=C.UTF-8, or rename the folder") from None
    if not git(main, "ls-files", "--", str(PARAMS_FILE)):
        top, _ = place_in_git(main)
        need = f"{PARAMS_FILE} is in no commit of the git repository around it, {top}"
        raise UserError(f"{main}: {need}; a study needs the project in git: git add, git commit")
    entries = git(main, "ls-files", "--stage", "-z", "--", *SOURCES).split("\0")
    for entry in entries:
        if entry.startswith(_SUBMODULE):
            name = entry.partition("\t")[2]
            raise UserError(f"{main / name}: is a git submodule; a study's clones have none")


def _changed_files(main: Path) -> list[str]:
    changed = git(main, "diff", "--name-only", "--relative", "-z", "HEAD").split("\0")
    others = "ls-files", "--others", "--exclude-standard", "-z", "--", *SOURCES
    new = git(main, *others).split("\0")
    return sorted({name for name in changed + new if name and not name.startswith(FREE)})

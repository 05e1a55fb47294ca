"""All that this project asks of DVC's insides, which have no public interface (>= 3.67, < 4).

One reproduction in process: which stages ran is read from where DVC decides it (`reproduce`
returns None for an unchanged stage, `restore` succeeds for one in the run-cache), a lock is held
for each run-cache key that is being computed, and the caller runs the commands.
"""

import contextlib
import importlib
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException, ReproductionError
from dvc.output import Output
from dvc.repo import Repo
from dvc.repo.experiments.refs import ExpRefInfo
from dvc.repo.reproduce import _reproduce_stage
from dvc.stage.cache import RunCacheNotFoundError, StageCache, _can_hash, _get_cache_hash
from dvc.stage.serialize import to_single_stage_lockfile
from dvc.utils.serialize import dump_yaml, parse_yaml
from dvc_data.hashfile.hash_info import HashInfo
from filelock import FileLock
from scmrepo.exceptions import SCMError

from ncsn.base.errors import UserError
from ncsn.sweep.trials.fast_yaml import modifying, remembering
from ncsn.sweep.trials.outcome import CACHED, RAN, UNCHANGED, StageFailed, StageOutcome, Stopped

RunCommand = Callable[[str, list[str], str, Mapping[str, str]], None]
OnStage = Callable[[str], None]

_PARSE = remembering(parse_yaml)
_GET_HASH = Output.get_hash
_HASHES: dict[tuple[Any, ...], Any] = {}
logging.getLogger("dvc").setLevel(logging.CRITICAL)  # every failure is raised as well


class _RunCache(StageCache):
    """DVC's run-cache with a lock for each key that is about to be computed.

    Whoever finds nothing takes the lock and looks again: another worker may have computed the
    same in the meantime. The kernel frees the lock of a process that was killed.
    """

    def __init__(self, repo: Repo, locks: Path):
        super().__init__(repo)
        self._locks = locks
        self._held: FileLock | None = None
        self.hit = False

    def restore(
        self, stage: Any, run_cache: bool = True, pull: bool = False, dry: bool = False
    ) -> None:
        try:
            super().restore(stage, run_cache, pull, dry)
        except RunCacheNotFoundError:
            if not _can_hash(stage):
                raise
            # the first look has hashed the deps; `_get_stage_hash` would do so again
            key = _get_cache_hash(to_single_stage_lockfile(stage), key=True)
            self._held = FileLock(self._locks / f"{key}.lock")
            self._held.acquire()
            if not Path(self._get_cache_dir(key)).exists():
                raise
            for out in stage.outs:  # those of dvc.lock belong to the deps before this call
                out.hash_info = HashInfo()
            super().restore(stage, run_cache, pull, dry)
        self.hit = True

    def release(self) -> None:
        if self._held is not None:
            self._held.release()
        self._held, self.hit = None, False


def reproduce(
    root: Path,
    targets: Sequence[str],
    locks: Path,
    run_command: RunCommand,
    before: OnStage,
    after: OnStage,
) -> tuple[StageOutcome, ...]:
    """Brings the outs of `targets`, and of all they need, up to date in a workspace.

    Meanwhile it is the current folder, also for the functions given.

    Args:
        root: the workspace; no other process may reproduce in it.
        targets: names of stages.
        locks: a folder that all workspaces of one DVC cache share.
        run_command: gets a stage's name, its command, its folder and its environment.
        before: called with the name of each stage, after all that it needs.
        after: called with the name of each stage when its outs are there.

    Returns:
        How each stage went, in the order in which they did.

    Raises:
        StageFailed, Diverged, Stopped: from `run_command`, `before` and `after` as they are.
        UserError: DVC cannot read the workspace.
    """
    outcomes: list[StageOutcome] = []
    locks.mkdir(parents=True, exist_ok=True)
    # DVC takes dvc.yaml for a name in the current folder
    with (
        contextlib.chdir(root),
        _replaced(run_command),
        _open_repo(root) as repo,
    ):
        cache = repo.stage_cache = _RunCache(repo, locks)

        def timed(stage: Any, **options: Any) -> Any:
            begin = time.perf_counter()
            before(stage.name)
            try:
                changed = _reproduce_stage(stage, **options)
                how = UNCHANGED if changed is None else CACHED if cache.hit else RAN
            finally:
                cache.release()
            outcomes.append(StageOutcome(stage.name, how, time.perf_counter() - begin))
            after(stage.name)
            return changed

        try:
            repo.reproduce(list(targets), repro_fn=timed)
        except ReproductionError as error:
            raise _cause(error) from error.__cause__
    return tuple(outcomes)


def share_cache(main: Path, root: Path) -> None:
    """Lets a workspace use the cache of the project at `main`.

    Told by a link and by .dvc/config.local, which git ignores: DVC's own writer of that file knows
    no letters beyond ASCII, and a link's name is as it was chosen wherever the project lies.
    """
    with _open_repo(main) as repo:
        cache = repo.config["cache"]
        folder = Path(repo.cache.local_cache_dir).absolute()
    link = root / ".dvc" / "tmp" / "main_cache"
    for parent in (folder, link.parent):
        parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    lines = ["[cache]", "dir = tmp/main_cache"]
    if cache.get("type"):
        lines.append(f"type = {','.join(cache['type'])}")
    if cache.get("shared"):
        lines.append(f"shared = {cache['shared']}")
    (root / ".dvc" / "config.local").write_text("\n".join(lines) + "\n")


def save_experiment(root: Path, name: str, stages: Sequence[str]) -> str:
    """Saves `stages` of a workspace as an experiment on its HEAD; returns its git reference.

    DVC would ask for the outs of all stages, also of those beyond a trial.

    Raises:
        UserError: DVC refuses it.
    """
    with contextlib.chdir(root), _open_repo(root) as repo:
        lock = root / "dvc.lock"
        text = lock.read_text(encoding="utf-8")
        dump_yaml(lock, parse_yaml(text, lock))  # for people, in DVC's own style
        try:
            repo.experiments.save(targets=list(stages), name=name, force=True)
        except SCMError as error:  # DVC cannot stash where a submodule is
            reason = str(error).splitlines()[0]
            raise UserError(f"{root}: DVC cannot save an experiment here: {reason}") from error
        return str(ExpRefInfo(baseline_sha=repo.scm.get_rev(), name=name))


@contextlib.contextmanager
def _open_repo(root: Path) -> Iterator[Repo]:
    try:
        repo = Repo(str(root))
        try:
            yield repo
        finally:
            repo.close()
    except ReproductionError:
        raise
    except DvcException as error:
        raise UserError(f"{root}: DVC says: {error}") from error


@contextlib.contextmanager
def _replaced(run_command: RunCommand) -> Iterator[None]:
    """DVC waits for a command without looking up and outlives it badly, and reads YAML slowly."""
    module = importlib.import_module("dvc.stage.run")

    def run(executable: str | None, command: str, **options: Any) -> None:
        arguments = module._make_cmd(executable, command)
        run_command(options["env"]["DVC_STAGE"], arguments, options["cwd"], options["env"])

    replacements = [
        (module, "_run", run),
        (importlib.import_module("dvc.utils.serialize._yaml"), "parse_yaml", _PARSE),
        (importlib.import_module("dvc.utils.strictyaml"), "parse_yaml", _PARSE),
        (importlib.import_module("dvc.dvcfile"), "modify_yaml", modifying(_PARSE)),
        (Output, "get_hash", _get_hash),
        # locks on single paths, against a second process that a claimed workspace cannot have
        (importlib.import_module("dvc.rwlock"), "rwlock", lambda *_: contextlib.nullcontext()),
    ]
    originals = [(place, name, getattr(place, name)) for place, name, _ in replacements]
    try:
        for place, name, function in replacements:
            setattr(place, name, function)
        yield
    finally:
        for place, name, function in originals:
            setattr(place, name, function)


def _get_hash(output: Any) -> Any:
    """DVC asks for the hash of each source some ten times a trial; a file's state stands for it.

    By the same inode, size and time of change as DVC's own table of hashes.
    """
    try:
        state = os.stat(output.fs_path)
    except OSError:
        return _GET_HASH(output)
    if not stat.S_ISREG(state.st_mode):
        return _GET_HASH(output)
    key = (output.fs_path, output.hash_name, state.st_ino, state.st_size, state.st_mtime_ns)
    if key not in _HASHES:
        _HASHES[key] = _GET_HASH(output)
    return _HASHES[key]


def _cause(error: ReproductionError) -> Exception:
    cause = error.__cause__
    if isinstance(cause, UserError | Stopped):
        return cause
    return StageFailed(f"{error}: {cause}" if cause else str(error))

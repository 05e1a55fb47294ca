"""One result at a time between DVC's cache and the project's default remote.

`dvc push --run-cache` moves the records of all results without what they name, and
`dvc pull --run-cache` brings all of them. Hosts that share a study need one result at once: its
record with its objects. No interface of DVC does that; ONE private function of it is used,
`dvc.stage.cache._get_stage_hash`, and classes that its documentation does not name (`StageCache`,
`DataCloud`), with the versions of `dvc_repo.KNOWN`. With any other one the command line is used.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ncsn.base.addresses import masked
from ncsn.base.progress import notice

_PAUSE_SEC = 300.0  # without the remote after it failed, since one that is down takes its time
STAGE_HASH = ("dvc.stage.cache", "_get_stage_hash", ["stage"])  # with its parameters
_RUNS = "runs"  # folder of the records, in a cache and in a remote


class Stores(NamedTuple):
    """The two parts of an opened remote, as DVC has them."""

    records: Any
    objects: Any


class Remote:
    """The default remote, as one process uses it; while it fails, work goes on without it."""

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        self.name, self._settings = name, dict(settings)
        self._paused_until, self._is_told = 0.0, False
        self._stores: Stores | None = None

    def config(self) -> dict[str, Any]:
        """Returns what a workspace's DVC must know of the remote, as DVC's own config has it."""
        return {"core": {"remote": self.name}, "remote": {self.name: self._settings}}

    def lines(self) -> list[str]:
        """Returns the same as lines of a file."""
        values = [f'{key} = "{value}"' for key, value in self._settings.items()]
        return ["[core]", f"remote = {self.name}", f"['remote \"{self.name}\"']", *values]

    def stores(self, repo: Any) -> Stores:
        """Returns the opened remote; that of S3 takes half a second, once.

        Args:
            repo: DVC's, which knows the remote.

        Raises:
            OSError: it keeps results by versions of the cloud's.
        """
        if self._stores is None:
            remote = repo.cloud.get_remote(self.name)
            if remote.fs.version_aware or remote.worktree:
                raise OSError("it is versioned by the cloud, and such ones have no records")
            self._stores = Stores(remote.legacy_odb, remote.odb)
        return self._stores

    def fetched(self, stage: Any) -> bool:
        """Whether the remote had the result of a stage of DVC's; its outs lie there then."""
        return bool(self.tried(lambda: _fetched(stage, self.stores(stage.repo))))

    def push(self, stage: Any) -> None:
        """Sends the result of a stage that has run."""
        self.tried(lambda: _push(stage, self.stores(stage.repo)))

    def tried(self, action: Callable[[], Any]) -> Any:
        """Returns what `action` does with the remote, None where it fails or failed just now."""
        if time.monotonic() < self._paused_until:
            return None
        try:
            return action()
        except Exception as error:  # each kind of remote has its own
            self._paused_until, self._stores = time.monotonic() + _PAUSE_SEC, None
            if not self._is_told:
                self._is_told = True
                what = "results stay on this host, and other hosts may compute the same"
                later = "`sweep.py push STUDY` sends them later"
                notice(f"{self.fault(error)}; {what}; {later}")
            return None

    def fault(self, error: Exception) -> str:
        """Returns what went wrong with the remote, in one line without passwords."""
        text = masked(str(error)).strip().splitlines()
        reason = text[0].rstrip(".") if text else type(error).__name__
        return f"DVC's remote '{self.name}' cannot be used ({reason})"


def push_records(repo: Any, stores: Stores, records: Iterable[tuple[str, str]]) -> int:
    """Sends results to a remote; objects first, so that no record names what is absent.

    A record that is there may lack its objects, since `dvc push --run-cache` sends none.

    Args:
        repo: DVC's.
        stores: of the remote.
        records: names of the records, folder and file.

    Returns:
        How many of the records the remote lacked.

    Raises:
        OSError: an object cannot be sent.
    """
    there, pairs = stores.records, [*records]
    folders = {_path(there, key) for key, _ in pairs}
    listed = folders if len(folders) == 1 else [there.fs.join(there.path, _RUNS)]
    present = {path for folder in listed for path in there.fs.find(folder)}
    lacking = [pair for pair in pairs if _path(there, *pair) not in present]
    for found in repo.stage_cache.get_used_objs(pairs).values():
        if failed := repo.cloud.push(found, odb=stores.objects).failed:
            raise OSError(f"{len(failed)} of {len(found)} files were not taken")
    for pair in lacking:
        _copy(repo.cache.legacy, there, *pair)
    return len(lacking)


def _restored(stage: Any) -> bool:
    """Whether DVC's run-cache has the result of a stage of DVC's; its outs lie there then.

    To be asked in place of a command, while which DVC unlocks the workspace.
    """
    from dvc.stage.cache import RunCacheNotFoundError

    for out in stage.outs:
        out.clear()  # the hashes of the result before this one, which DVC would take for it
    try:
        with stage.repo.lock:
            stage.repo.stage_cache.restore(stage)
    except RunCacheNotFoundError:  # no record, or one without its objects
        return False
    return True


def _fetched(stage: Any, stores: Stores) -> bool:
    repo, key, there = stage.repo, _stage_key(stage), stores.records
    there.fs.fs.invalidate_cache()  # another host wrote meanwhile
    for path in there.fs.find(_path(there, key)):
        value = there.fs.name(path)
        _copy(there, repo.cache.legacy, key, value)
        for found in repo.stage_cache.get_used_objs([(key, value)]).values():
            repo.cloud.pull(found, odb=stores.objects)
        if _restored(stage):  # `dvc push --run-cache` leaves records without objects
            return True
    return False


def _stage_key(stage: Any) -> str:
    from dvc.stage.cache import _get_stage_hash

    return str(_get_stage_hash(stage))


def _push(stage: Any, stores: Stores) -> None:
    key = _stage_key(stage)
    values = os.listdir(_path(stage.repo.cache.legacy, key))
    push_records(stage.repo, stores, [(key, value) for value in values])


def _path(odb: Any, key: str, *value: str) -> str:
    return str(odb.fs.join(odb.path, _RUNS, key[:2], key, *value))


def _copy(source: Any, target: Any, key: str, value: str) -> None:
    from dvc.fs import generic

    generic.copy(source.fs, _path(source, key, value), target.fs, _path(target, key, value))

"""Live tracking of a training, in a process of its own: the training never imports MLflow.

Through a pipe the training tells the follower how it ended; a pipe that closes without a word
means that the training was killed. (A death signal from the kernel would end the follower before
it could send the last lines and mark the run as killed.) Whatever happens to the follower, the
training goes on; the `track` stage sends what is missing.
Without MLflow there is no follower.
"""

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ncsn.base.progress import notice
from ncsn.base.ranked import is_first_rank

SWITCH = "NCSN_LIVE"  # 0 in the environment turns live tracking off
POLL_SEC = 2.0
_LAST_PASS_SEC = 30.0  # a new store takes up to ten seconds, and may be asked for just before

Follower = subprocess.Popen[str]


@contextlib.contextmanager
def following(
    logs: Sequence[Path], previews: Path, *, poll_sec: float = POLL_SEC
) -> Iterator[None]:
    """Mirrors growing logs and preview images into MLflow while the block runs.

    The current folder must be the project's, with the summary that `prepare` leaves. No path need
    exist yet, and a log may be cut back and written again: each step is sent once.

    Args:
        logs: files of one JSON object per line, with a `step`.
        previews: folder of images called step_<digits>.png.
        poll_sec: seconds between two looks at the files.
    """
    follower = _start(logs, previews, poll_sec)
    ending = "failed"
    try:
        yield
        ending = "done"
    except KeyboardInterrupt:
        ending = "killed"
        raise
    finally:
        if follower is not None:
            _end(follower, ending)


def _start(logs: Sequence[Path], previews: Path, poll_sec: float) -> Follower | None:
    if os.environ.get(SWITCH) == "0" or not is_first_rank():
        return None
    if not _has_mlflow():
        notice("no live tracking: MLflow is not installed; the training's log has every number")
        return None
    module = [sys.executable, "-m", "ncsn.tracking.follow"]
    try:
        return subprocess.Popen(
            [*module, "--poll-sec", str(poll_sec), str(previews), *map(str, logs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the training, which tells the follower
        )
    except OSError as error:
        _warn(f"not started: {error}")
        return None


def _has_mlflow() -> bool:
    with contextlib.suppress(ImportError):
        return importlib.util.find_spec("mlflow") is not None
    return False


def _end(follower: Follower, ending: str) -> None:
    """Gives the follower time for its last pass."""
    try:
        follower.communicate(ending, timeout=_LAST_PASS_SEC)
    except subprocess.TimeoutExpired:
        follower.kill()
        follower.wait()
        _warn(f"ended after {_LAST_PASS_SEC:g} s without an answer from the store")


def _warn(message: str) -> None:
    print(f"warning: live tracking {message}; `track` completes the run", file=sys.stderr)

"""The process of a stage: in a group of its own, its words in a file, dead when its worker is.

A stage imports for seconds before its first own line runs, so the wish to die with the worker is
set between fork and exec: no moment is left in which an orphan could go on writing.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from ncsn.base.entry import DIVERGED, die_with_parent
from ncsn.base.errors import Diverged
from ncsn.sweep.trials.outcome import StageFailed

POLL_SEC = 0.1


def run_stage(
    stage: str,
    command: Sequence[str],
    folder: str | Path,
    env: Mapping[str, str],
    words: Path,
    on_poll: Callable[[], None],
) -> None:
    """Runs the command of a stage and looks in while it runs.

    Whatever `on_poll` raises, and Ctrl-C, kills the stage with all of its process group.

    Args:
        stage: its name, for messages.
        command: program and arguments.
        folder: where it runs.
        env: its whole environment.
        words: the file that takes its stdout and stderr.
        on_poll: called every tenth of a second.

    Raises:
        Diverged: the stage said so by its exit status.
        StageFailed: it ended in any other way than well.
    """
    words.parent.mkdir(parents=True, exist_ok=True)
    with open(words, "wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the worker, which ends the stage
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
    try:
        status = _watched(process, on_poll)
    except BaseException:
        _kill_group(process)
        raise
    if status == DIVERGED:
        raise Diverged(f"{stage}: {_reason(words)}")
    if status:
        ended = f"signal {-status}" if status < 0 else f"exit status {status}"
        raise StageFailed(f"{stage} failed ({ended}): {_reason(words)}")


def _watched(process: subprocess.Popen[bytes], on_poll: Callable[[], None]) -> int:
    while True:
        try:
            return process.wait(POLL_SEC)
        except subprocess.TimeoutExpired:
            on_poll()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _reason(words: Path) -> str:
    """The message that `entry` printed, else the last line, such as that of a traceback."""
    text = words.read_text(encoding="utf-8", errors="replace").strip()
    before, mark, message = text.rpartition("error: ")
    if mark and (not before or before[-1] in "\r\n"):
        return message
    return text.splitlines()[-1].strip() if text else "it said nothing"

"""The process of a stage: in a group of its own, its output in a file, dead when its worker is.

A stage imports for seconds before its first own line runs, so that it dies with its worker is
asked of the kernel between fork and exec: at no moment can an orphan go on writing.
"""

import contextlib
import errno
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ncsn.base.entry import DIVERGED, NO_ROOM, die_with_parent
from ncsn.base.errors import Diverged, UserError
from ncsn.sweep.trials.outcome import NoRoom, StageFailed, StageKilled

POLL_SEC = 0.1
_FULL = tuple(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT))
_BY_HAND = (signal.SIGINT, signal.SIGPIPE)  # 128 and these are statuses of `entry`
_KILLED = "it was killed, as the system does where memory runs out"


class Ended(NamedTuple):
    """How a command ended: exit status, below 0 for a signal, and what it wrote."""

    status: int
    text: str


def run_command(
    command: Sequence[str],
    folder: Path,
    env: Mapping[str, str],
    output: Path,
    on_poll: Callable[[], None],
) -> Ended:
    """Runs a command and looks in while it runs.

    Whatever `on_poll` raises, and Ctrl-C, kills the command with all of its process group.

    Args:
        command: program and arguments.
        folder: where it runs.
        env: its whole environment.
        output: the file that takes its stdout and stderr.
        on_poll: called every tenth of a second.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    with open(output, "wb") as file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the worker, which ends the command
            preexec_fn=partial(die_with_parent, os.getpid()),
        )
    try:
        status = _watched(process, on_poll)
    except BaseException:
        _kill_group(process)
        raise
    return Ended(status, output.read_text(encoding="utf-8", errors="replace"))


def failure(stage: str, ended: Ended) -> UserError:
    """Returns what to raise for a stage that did not end well."""
    reason, number = _reason(ended.text.strip()), _signal_of(ended.status)
    if ended.status == DIVERGED:
        return Diverged(f"{stage}: {reason}")
    if ended.status == NO_ROOM or any(text in reason for text in _FULL):
        return NoRoom(f"{stage}: {reason if ended.text.strip() else 'the disk is full'}")
    if number is not None:
        words = _KILLED if number == signal.SIGKILL else reason
        return StageKilled(f"{stage} failed (signal {number}): {words}")
    return StageFailed(f"{stage} failed (exit status {ended.status}): {reason}")


def _watched(process: subprocess.Popen[bytes], on_poll: Callable[[], None]) -> int:
    while True:
        try:
            return process.wait(POLL_SEC)
        except subprocess.TimeoutExpired:
            on_poll()


def _signal_of(status: int) -> int | None:
    """The signal that ended a command, or a process of the shell that ran it."""
    number = -status if status < 0 else status - 128
    return number if number in {*signal.valid_signals()}.difference(_BY_HAND) else None


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _reason(text: str) -> str:
    """The message that `entry` printed, else the last line, such as that of a traceback."""
    before, mark, message = text.rpartition("error: ")
    if mark and (not before or before[-1] in "\r\n"):
        return message
    return text.splitlines()[-1].strip() if text else "it said nothing"

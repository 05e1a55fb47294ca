"""The process of a stage: in a group of its own, its output in a file, dead when its worker is.

A stage imports for seconds before its first own line runs, so that it dies with its worker is
asked of the kernel between fork and exec: at no moment can an orphan go on writing.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ncsn.base.entry import DIVERGED, die_with_parent
from ncsn.base.errors import Diverged
from ncsn.sweep.trials.outcome import StageFailed

POLL_SEC = 0.1


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


def failure(stage: str, ended: Ended) -> Diverged | StageFailed:
    """Returns what to raise for a stage that did not end well."""
    reason = _reason(ended.text.strip())
    if ended.status == DIVERGED:
        return Diverged(f"{stage}: {reason}")
    ending = f"signal {-ended.status}" if ended.status < 0 else f"exit status {ended.status}"
    return StageFailed(f"{stage} failed ({ending}): {reason}")


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


def _reason(text: str) -> str:
    """The message that `entry` printed, else the last line, such as that of a traceback."""
    before, mark, message = text.rpartition("error: ")
    if mark and (not before or before[-1] in "\r\n"):
        return message
    return text.splitlines()[-1].strip() if text else "it said nothing"

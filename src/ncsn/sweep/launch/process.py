"""One worker as a process of this host, or of the one that an engine has placed it on."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from ncsn.base.entry import die_with_parent

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
STOP_SEC = 20.0  # for a worker to put its point back
_POLL_SEC = 0.2


class WorkerProcess:
    """A worker's process; it dies with this one.

    Args:
        command: of the worker.
        root: the project's top folder.
        environment: of the worker.
        log: file for what it prints, None for where this process prints.
    """

    def __init__(
        self,
        command: Sequence[str],
        root: Path,
        environment: Mapping[str, str],
        log: Path | None = None,
    ) -> None:
        self._command, self._root, self._environment = list(command), root, environment
        self._log = log
        self._process = self._started()

    def stand_by(self, max_retry: int) -> int:
        """Waits for its end, and starts it again when it is killed.

        Args:
            max_retry: how often it is started again.

        Returns:
            Its exit status; negative when it was killed once too often.

        Raises:
            BaseException: whatever interrupts the waiting; the worker has ended by then.
        """
        try:
            for _ in range(max_retry):
                if (status := self._ended()) >= 0:
                    return status
                self.start_again()
            return self._ended()
        finally:
            self.end()

    def status(self) -> int | None:
        """Returns its exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def start_again(self) -> None:
        """Starts the worker anew where it has ended."""
        self._process = self._started()

    def terminate(self) -> None:
        """Asks it to put its point back into the queue and to end."""
        self._process.terminate()

    def end(self, deadline: float | None = None) -> None:
        """Ends it: what has not ended in time is killed.

        Args:
            deadline: time of time.monotonic; None gives STOP_SEC.
        """
        self.terminate()
        deadline = time.monotonic() + STOP_SEC if deadline is None else deadline
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(_POLL_SEC)
        self._process.kill()
        self._process.wait()

    def _ended(self) -> int:
        """Polls: `end` may be called by a signal's handler, and two cannot wait at once."""
        while (status := self._process.poll()) is None:
            time.sleep(_POLL_SEC)
        return status

    def _started(self) -> "subprocess.Popen[bytes]":
        out = None if self._log is None else open(self._log, "ab")
        try:
            return subprocess.Popen(
                self._command,
                cwd=self._root,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out and subprocess.STDOUT,
                process_group=0,  # signals are for this process, which ends the worker
                preexec_fn=partial(_prepare, os.getpid()),
            )
        finally:
            if out is not None:
                out.close()


def threads(cpus: int) -> dict[str, str]:
    """Returns the variables by which a worker computes in as many threads as it has cores."""
    return dict.fromkeys(THREADS, str(cpus))


def _prepare(parent: int) -> None:
    die_with_parent(parent)
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # Slurm's to the job, which reaches all in it

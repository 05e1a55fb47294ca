"""What a job of Slurm runs on its node: one worker, ended in time when the job must end.

Slurm announces the end by a signal to every process of the job. This process answers it: it asks
the worker to put its trial back. After that submitit has the job requeued, if it was about time.
"""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from submitit.helpers import DelayedSubmission

from ncsn.sweep.launch.process import WorkerProcess, threads

STOP = "stop"  # a file: no job is to be started again


class SlurmWorker:
    """A worker that is called in a job, and again when the job was requeued.

    Args:
        command: of the worker.
        root: the project's top folder.
        folder: of the jobs' files.
        cpus: cores of the worker.
        max_retry: how often a worker that is killed is started again.
    """

    def __init__(
        self, command: Sequence[str], root: Path, folder: Path, cpus: int, max_retry: int
    ) -> None:
        self._given = list(command), root, folder, cpus, max_retry
        self._process: WorkerProcess | None = None

    def __call__(self, number: int) -> int:
        """Runs the worker; returns its exit status."""
        command, root, folder, cpus, max_retry = self._given
        environment = {**threads(cpus), **os.environ}
        self._process = WorkerProcess(command, root, environment, log_of(folder, number))
        signal.signal(signal.SIGTERM, self._end)
        return self._process.stand_by(max_retry)

    def checkpoint(self, number: int) -> DelayedSubmission:
        """Ends the worker; returns what the requeued job calls. Submitit asks for it by name."""
        if self._process is not None:
            self._process.end()
        return DelayedSubmission(SlurmWorker(*self._given), number)

    def _end(self, number: int, frame: FrameType | None) -> None:
        """Answers SIGTERM; a job that gives way to another is requeued if it waits for its end."""
        if self._process is not None:
            self._process.end()
        while not (self._given[2] / STOP).exists():
            time.sleep(1)


def log_of(folder: Path, number: int) -> Path:
    """Returns the file of what a worker prints."""
    return folder / f"worker-{number}.log"

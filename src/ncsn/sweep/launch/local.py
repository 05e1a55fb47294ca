"""Workers as processes of this host: started again when they are killed, ended together."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ncsn.base.errors import UserError
from ncsn.sweep.launch.process import STOP_SEC, WorkerProcess, threads

_POLL_SEC = 0.1


@dataclass(frozen=True)
class LocalLauncher:
    """Starts workers here; they die with this process.

    Attributes:
        root: the project's top folder.
        max_retry: how often a worker that is killed is started again.
    """

    root: Path
    max_retry: int

    def run(self, command: Sequence[str], workers: int) -> None:
        """Runs the workers; arguments and errors as `Launcher.run` says."""
        environment, started = _few_threads(workers), list[WorkerProcess]()
        deaths = [0] * workers
        try:
            for _ in range(workers):
                started.append(WorkerProcess(command, self.root, environment))
            while any(worker.status() != 0 for worker in started):
                time.sleep(_POLL_SEC)
                for number, worker in enumerate(started):
                    deaths[number] += self._look_after(worker, deaths[number])
        except BaseException:
            _end(started)
            raise

    def _look_after(self, worker: WorkerProcess, deaths: int) -> bool:
        """Starts a worker that was killed once more; returns whether it was."""
        status = worker.status()
        if not status:  # it runs, or has ended well
            return False
        ending = f"a worker ended with status {status}"
        if status > 0:
            raise UserError(ending)
        if deaths == self.max_retry:
            raise UserError(f"{ending}, {deaths + 1} times")
        print(f"warning: {ending}; it is started again, its trial too", flush=True)
        worker.start_again()
        return True


def _end(workers: Sequence[WorkerProcess]) -> None:
    """All at once; a second Ctrl-C does not wait."""
    for worker in workers:
        worker.terminate()
    deadline = time.monotonic() + STOP_SEC
    for worker in workers:
        try:
            worker.end(deadline)
        except KeyboardInterrupt:
            deadline = time.monotonic()
            worker.end(deadline)


def _few_threads(workers: int) -> Mapping[str, str]:
    """Several workers share the cores; what the user has set stands."""
    one_each = threads(1) if workers > 1 else {}
    return {**one_each, **os.environ}

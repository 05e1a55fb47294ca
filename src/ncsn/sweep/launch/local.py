"""Workers as processes of this host: started again when they are killed, ended together."""

import contextlib
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ncsn.base.entry import die_with_parent
from ncsn.base.errors import UserError
from ncsn.sweep.launch.process import STOP_SEC, threads

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
        _Workers(self.root, command, self.max_retry).run(workers)


class _Workers:
    """The processes of one call."""

    def __init__(self, root: Path, command: Sequence[str], max_retry: int) -> None:
        self._root, self._command, self._max_retry = root, list(command), max_retry
        self._processes: list[subprocess.Popen[bytes]] = []
        self._deaths: list[int] = []
        self._environment: Mapping[str, str] = os.environ

    def run(self, number: int) -> None:
        self._deaths = [0] * number
        self._environment = _few_threads(number)
        try:
            for _ in range(number):
                self._processes.append(self._started())
            while any(process.poll() != 0 for process in self._processes):
                time.sleep(_POLL_SEC)
                for worker in range(number):
                    self._look_after(worker)
        except BaseException:
            self._end()
            raise

    def _look_after(self, worker: int) -> None:
        """Starts a worker that was killed once more; ends all when one has an error."""
        status = self._processes[worker].poll()
        if not status:  # it runs, or has ended well
            return
        ending = f"a worker ended with status {status}"
        if status > 0:
            raise UserError(ending)
        self._deaths[worker] += 1
        if self._deaths[worker] > self._max_retry:
            raise UserError(f"{ending}, {self._deaths[worker]} times")
        print(f"warning: {ending}; it is started again, its trial too", flush=True)
        self._processes[worker] = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            cwd=self._root,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C is for this process, which ends the workers
            preexec_fn=partial(die_with_parent, os.getpid()),
        )

    def _end(self) -> None:
        """SIGTERM puts a worker's point back into the queue; a second Ctrl-C does not wait."""
        for process in self._processes:
            process.terminate()
        deadline = time.monotonic() + STOP_SEC
        with contextlib.suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
            for process in self._processes:
                process.wait(max(0.0, deadline - time.monotonic()))
        for process in self._processes:
            process.kill()
            process.wait()


def _few_threads(workers: int) -> Mapping[str, str]:
    """Several workers share the cores; what the user has set stands."""
    one_each = threads(1) if workers > 1 else {}
    return {**one_each, **os.environ}

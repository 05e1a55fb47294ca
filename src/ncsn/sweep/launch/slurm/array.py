"""The jobs of one array, as `run` watches them: what their workers print, and how they end."""

import subprocess
import time
from collections import Counter
from pathlib import Path

from submitit import SlurmJob
from submitit.core.utils import UncompletedJobError

from ncsn.base.errors import UserError
from ncsn.sweep.launch.process import STOP_SEC
from ncsn.sweep.launch.slurm.job import STOP, log_of

_POLL_SEC = 1.0
_ASK_SEC = 10.0  # between two questions to Slurm's controller, which serves the whole cluster
_GONE = 2  # answers that know no job, since results may reach this host after the job's end


class SlurmArray:
    """Jobs that were submitted together.

    Args:
        folder: of their files.
        ids: of the jobs.
    """

    def __init__(self, folder: Path, ids: list[str]) -> None:
        self._folder, self._id = folder, ids[0].partition("_")[0]
        self._jobs: list[SlurmJob[int]] = [SlurmJob(folder=folder, job_id=name) for name in ids]
        self._shown = [0] * len(ids)  # bytes of each worker's log
        self._states: Counter[str] = Counter()
        self._asked, self._empty = time.monotonic(), 0
        print(f"Slurm's job {self._id}: {len(ids)} workers; logs in {folder}", flush=True)

    def stand_by(self) -> None:
        """Shows what the workers print, until one has used the budget up; then none has work.

        Raises:
            UserError: a worker ended with an error, or all jobs have gone.
        """
        while not self._is_used_up():
            self._look()
        self._await_end(STOP_SEC)  # the others look once a second
        self.cancel()

    def cancel(self) -> None:
        """Ends these jobs, and no others; their workers put their trials back."""
        if self._is_ended():
            return
        (self._folder / STOP).touch()
        subprocess.run(["scancel", self._id], capture_output=True)
        self._await_end(2 * STOP_SEC)

    def _await_end(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._is_ended() and time.monotonic() < deadline:
            time.sleep(_POLL_SEC)
            self._show()

    def _look(self) -> None:
        time.sleep(_POLL_SEC)
        self._show()
        if time.monotonic() - self._asked >= _ASK_SEC:
            self._ask()

    def _ask(self) -> None:
        """Asks for the states of the jobs, and says so when they have changed."""
        states, self._asked = _states(self._id), time.monotonic()
        if states is None:
            return
        self._empty = 0 if states else self._empty + 1
        if self._empty == _GONE:
            raise UserError(f"Slurm's job {self._id} has gone; see {self._folder}")
        if states and states != self._states:
            self._states = states
            counted = ", ".join(f"{number} {state.lower()}" for state, number in states.items())
            print(f"Slurm's job {self._id}: {counted}", flush=True)

    def _show(self) -> None:
        """Prints what has been added to the logs."""
        for number, shown in enumerate(self._shown):
            log = log_of(self._folder, number)
            if log.exists() and log.stat().st_size > shown:
                with open(log, "rb") as file:
                    file.seek(shown)
                    whole, newline, _ = file.read().rpartition(b"\n")
                if newline:
                    self._shown[number] += len(whole) + 1
                    print(whole.decode(errors="backslashreplace"), flush=True)

    def _is_used_up(self) -> bool:
        ended = [_status(job) for job in self._jobs if _has_result(job)]
        for status in ended:
            if status:
                raise UserError(f"a worker ended with status {status}")
        return bool(ended)

    def _is_ended(self) -> bool:
        return all(map(_has_result, self._jobs)) or _states(self._id) == Counter()


def _has_result(job: SlurmJob[int]) -> bool:
    """Submitit would ask Slurm's accounting, which many clusters do not have."""
    return bool(job.paths.result_pickle.exists())


def _status(job: SlurmJob[int]) -> int:
    try:
        return int(job.result())
    except UncompletedJobError as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"Slurm's job {job.job_id}: {reason}; see {job.paths.stderr}") from None


def _states(job_id: str) -> Counter[str] | None:
    """Returns how many jobs of an array are in each state, None where Slurm does not answer."""
    command = ["squeue", "--noheader", "--array", "--format=%T", f"--jobs={job_id}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode and "Invalid job id" not in done.stderr:
        return None
    return Counter(done.stdout.split())

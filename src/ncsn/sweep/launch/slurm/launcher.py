"""Workers as an array of Slurm's jobs, which go back into its queue when their time is up.

A job whose time ends, or that must give way to another one, puts its trial back and is requeued;
started anew, it joins the study again. The files of the jobs lie below `paths.work`, which every
node must see.
"""

import contextlib
import io
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from submitit import SlurmExecutor
from submitit.core.utils import FailedJobError, FailedSubmissionError

from ncsn.base.errors import UserError
from ncsn.config.params import PARAMS_FILE, load_params
from ncsn.sweep.launch.slurm.array import SlurmArray
from ncsn.sweep.launch.slurm.job import SlurmWorker

_MINUTES = 60  # of a job, where the user says nothing; it is requeued after them
_MANY = 10_000  # times that a job may be requeued
_NOTICE_SEC = 60  # before a job's time is up, for its worker to put the trial back
_BY_THE_LAUNCHER = ("array", "error", "open_mode", "output", "requeue", "signal")
_BY_WORKERS = ("nodes", "ntasks", "ntasks_per_node")
_SET_BY = {
    **dict.fromkeys(_BY_THE_LAUNCHER, "the launcher itself"),
    **dict.fromkeys(_BY_WORKERS, "--workers: each is a job of one task"),
    "cpus_per_task": "--cpus-per-worker",
    "gpus_per_node": "--gpus-per-worker",
}


@dataclass(frozen=True)
class SlurmLauncher:
    """Starts workers as one array of jobs.

    Attributes:
        root: the project's top folder, under the same path on every node.
        max_retry: how often a worker that is killed is started again in its job.
        cpus: cores of each worker.
        gpus: devices of each worker.
        options: of `sbatch`, by their long names with _ for -.
    """

    root: Path
    max_retry: int
    cpus: int
    gpus: int
    options: Mapping[str, str]

    @classmethod
    def checked(
        cls, root: Path, max_retry: int, cpus: int, gpus: float, options: Mapping[str, str]
    ) -> Self:
        """Returns a launcher.

        Args:
            root: as the attribute.
            max_retry: as the attribute.
            cpus: as the attribute.
            gpus: as the attribute.
            options: of `sbatch`, by their long names.

        Raises:
            UserError: there is no Slurm here, or an option that it cannot take.
        """
        if shutil.which("sbatch") is None:
            raise UserError("--launcher slurm: no `sbatch` here; run it on a host of the cluster")
        if gpus != int(gpus):
            rule = "must be a whole number with --launcher slurm"
            raise UserError(f"--gpus-per-worker (value {gpus:g}): {rule}")
        named = {key.replace("-", "_"): value for key, value in options.items()}
        for key in named:
            if key in _SET_BY:
                raise UserError(f"--slurm {key.replace('_', '-')}: is set by {_SET_BY[key]}")
        return cls(root, max_retry, cpus, int(gpus), named)

    def run(self, command: Sequence[str], workers: int) -> None:
        """Runs the workers; arguments and errors as `Launcher.run` says."""
        folder = self._new_folder()
        worker = SlurmWorker(command, self.root, folder, self.cpus, self.max_retry)
        array = SlurmArray(folder, self._submitted(worker, workers, folder))
        try:
            array.stand_by()
        except BaseException:
            array.cancel()
            raise
        shutil.rmtree(folder, ignore_errors=True)  # Slurm may still be writing its last lines

    def _new_folder(self) -> Path:
        work = self.root / load_params("paths", path=self.root / PARAMS_FILE).paths.work / "slurm"
        work.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="jobs-", dir=work))

    def _submitted(self, worker: SlurmWorker, workers: int, folder: Path) -> list[str]:
        """Submits the jobs and returns their ids, of which all begin with the array's."""
        executor = SlurmExecutor(folder=folder, max_num_timeout=_MANY)
        executor.update_parameters(
            job_name="ncsn",
            time=_MINUTES,
            wckey=None,
            cpus_per_task=self.cpus,
            gpus_per_node=self.gpus or None,
            signal_delay_s=_NOTICE_SEC,
            srun_args=[f"--cpus-per-task={self.cpus}"],  # a step does not take it from its job
            additional_parameters={"requeue": True, **self.options},
        )
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # it is in the error, too
                return [job.job_id for job in executor.map_array(worker, range(workers))]
        except (FailedJobError, FailedSubmissionError) as error:
            raise UserError(
                f"sbatch refuses: {str(error).strip().partition(chr(10))[0]}"
            ) from None

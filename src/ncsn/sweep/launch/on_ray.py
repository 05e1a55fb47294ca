"""Workers as tasks of Ray: it places them, and starts those of a lost node elsewhere.

The trial that a lost worker had comes back through the database, when its heartbeat has been
silent for `sweep.grace_sec`.
"""

import os

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it is read when Ray is imported
os.environ.setdefault("RAY_DEDUP_LOGS", "0")  # workers that say the same are not one worker
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")  # no GPU asked for, none seen

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError

from ncsn.base.errors import UserError
from ncsn.sweep.launch.process import STOP_SEC, WorkerProcess, threads

_ADDRESS = "RAY_ADDRESS"
# Of this process, for the workers: by argument, since Ray writes a task's `env_vars` into logs.
_HANDED_ON = ("NCSN_", "MLFLOW_", "AWS_")


@dataclass(frozen=True)
class RayLauncher:
    """Starts workers on the cluster of RAY_ADDRESS, or on one of this host alone.

    Attributes:
        root: the project's top folder, under the same path on every node.
        max_retry: how often a worker that is killed, or whose node is lost, is started again.
        cpus: cores of each worker.
        gpus: devices of each worker.
    """

    root: Path
    max_retry: int
    cpus: int
    gpus: float

    def run(self, command: Sequence[str], workers: int) -> None:
        """Runs the workers; arguments and errors as `Launcher.run` says."""
        with _connected():
            self._refuse_what_no_node_has()
            task = ray.remote(
                num_cpus=self.cpus,
                num_gpus=self.gpus,
                max_retries=self.max_retry,
                scheduling_strategy="SPREAD",
            )(_worker)
            words, handed_on = list(command), _handed_on()
            arguments = words, str(self.root), handed_on, self.cpus, self.max_retry
            _stand_by([task.remote(*arguments) for _ in range(workers)])

    def _refuse_what_no_node_has(self) -> None:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        wanted = {"CPU": ("--cpus-per-worker", self.cpus), "GPU": ("--gpus-per-worker", self.gpus)}
        for kind, (option, number) in wanted.items():
            most = max((node.get(kind, 0) for node in nodes), default=0)
            if number > most:
                rule = f"no node of the Ray cluster has more than {most:g}"
                raise UserError(f"{option} (value {number:g}): {rule}")


@contextmanager
def _connected() -> Iterator[None]:
    """Ray takes SIGTERM for itself as it is imported; `run` wants it to be Ctrl-C."""
    address = os.environ.get(_ADDRESS)
    try:
        if address:
            ray.init(address=address, log_to_driver=True)
        else:
            ray.init(address="local", include_dashboard=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"{_ADDRESS} (value '{address or 'none'}'): {reason}") from None
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        ray.shutdown()


def _stand_by(tasks: list[Any]) -> None:
    """One worker that ends well says that the budget is used: no other has work then."""
    try:
        ended, others = ray.wait(tasks, num_returns=1)
        _check(ended)
        if others:
            ended, others = ray.wait(others, num_returns=len(others), timeout=STOP_SEC)
            _check(ended)
    except BaseException:
        _cancel(tasks)
        raise
    _cancel(others)


def _check(tasks: list[Any]) -> None:
    for task in tasks:
        try:
            status = ray.get(task)
        except RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise UserError(f"a worker was lost ({type(error).__name__}): {reason}") from None
        if status:
            raise UserError(f"a worker ended with status {status}")


def _cancel(tasks: list[Any]) -> None:
    """Ends tasks; their workers have the time to put their points back."""
    if not tasks:
        return
    for task in tasks:
        ray.cancel(task, force=False)
    _, slow = ray.wait(tasks, num_returns=len(tasks), timeout=STOP_SEC + 5)
    for task in slow:
        ray.cancel(task, force=True)


def _handed_on() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(_HANDED_ON)}


def _worker(
    command: Sequence[str], root: str, handed_on: Mapping[str, str], cpus: int, max_retry: int
) -> int:
    """Runs a worker on the node where Ray has placed this task; returns its exit status."""
    environment = {**threads(cpus), **os.environ, **handed_on}
    return WorkerProcess(command, Path(root), environment).stand_by(max_retry)

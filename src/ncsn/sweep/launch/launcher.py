"""What starts the workers of a study: a command line, so many times, wherever there is room.

A worker needs nothing of its launcher. It takes its study from the database and gives back what
went wrong there; its exit status is 0 when the budget is used. A new launcher is a module with a
class that has `run`, and a line in LAUNCHERS; a module alone imports its engine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ncsn.base.errors import UserError
from ncsn.sweep.launch.local import LocalLauncher

EXTRA = "python -m pip install --constraint constraints.txt --editable '.[{}]'"


class Launcher(Protocol):
    """Starts workers."""

    def run(self, command: Sequence[str], workers: int) -> None:
        """Runs a worker's command so many times, and stands by until all have ended well.

        A worker that is killed is started again, as often as a trial is.

        Args:
            command: of one worker, to be run in the project's top folder.
            workers: how many.

        Raises:
            UserError: a worker ended with an error; the others have been ended.
            KeyboardInterrupt: Ctrl-C; the workers have put their trials back and ended.
        """


@dataclass(frozen=True)
class Room:
    """What each worker asks of the engine that places it.

    Attributes:
        cpus: cores of a worker; None leaves it to the engine.
        gpus: devices of a worker, or a share of one.
        slurm: options of `sbatch` by their long names, without the dashes in front.
    """

    cpus: int | None = None
    gpus: float = 0
    slurm: Mapping[str, str] = field(default_factory=dict)


def open_launcher(name: str, root: Path, max_retry: int, room: Room) -> Launcher:
    """Returns a launcher.

    Args:
        name: one of LAUNCHERS.
        root: the project's top folder, which every host has under this path.
        max_retry: how often a worker that is killed is started again.
        room: what each worker asks for.

    Raises:
        UserError: its engine is not there, or has no such option.
    """
    if room.slurm and name != "slurm":
        raise UserError(f"--slurm: is for --launcher slurm; --launcher {name} has no such options")
    return LAUNCHERS[name](root, max_retry, room)


def _local(root: Path, max_retry: int, room: Room) -> Launcher:
    for option, value in {"--cpus-per-worker": room.cpus, "--gpus-per-worker": room.gpus}.items():
        if value:
            rule = "is for --launcher ray or slurm; workers of --launcher local share this host"
            raise UserError(f"{option} (value {value:g}): {rule}")
    return LocalLauncher(root, max_retry)


def _ray(root: Path, max_retry: int, room: Room) -> Launcher:
    try:
        from ncsn.sweep.launch.on_ray import RayLauncher
    except ModuleNotFoundError as error:
        raise _missing(error, "ray") from None
    return RayLauncher(root, max_retry, room.cpus or 1, room.gpus)


def _slurm(root: Path, max_retry: int, room: Room) -> Launcher:
    try:
        from ncsn.sweep.launch.slurm.launcher import SlurmLauncher
    except ModuleNotFoundError as error:
        raise _missing(error, "slurm") from None
    return SlurmLauncher.checked(root, max_retry, room.cpus or 1, room.gpus, room.slurm)


def _missing(error: ModuleNotFoundError, extra: str) -> UserError:
    need = f"--launcher {extra} needs the package {error.name}, which is not installed"
    return UserError(f"{need}; run: {EXTRA.format(extra)}")


LAUNCHERS: dict[str, Callable[[Path, int, Room], Launcher]] = {
    "local": _local,
    "ray": _ray,
    "slurm": _slurm,
}

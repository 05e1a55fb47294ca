"""What starts the workers of a study: a command line, so many times, wherever there is room.

A worker needs nothing of its launcher. It takes its study from the database and gives back what
went wrong there; its exit status is 0 when the budget is used. A new launcher is a class with
`run` and a line in LAUNCHERS.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ncsn.sweep.launch.local import LocalLauncher


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


LAUNCHERS: dict[str, Callable[[Path, int], Launcher]] = {"local": LocalLauncher}


def open_launcher(name: str, root: Path, max_retry: int) -> Launcher:
    """Returns a launcher.

    Args:
        name: one of LAUNCHERS.
        root: the project's top folder.
        max_retry: how often a worker that is killed is started again.
    """
    return LAUNCHERS[name](root, max_retry)

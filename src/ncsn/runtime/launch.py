"""One command in several processes under torchrun's agent, which ends as one process would.

The first process has the terminal. What the others say is kept, and shown where one of them was
the first to fail. The agent ends all of them when one ends badly, and passes signals on.
"""

import contextlib
import logging
import os
import re
import signal
import sys
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ncsn.base.ranked import AGENT

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig

_ERROR = re.compile(r"^(error: |Traceback )", re.MULTILINE)  # what a failing process says last


def relaunch(num_processes: int) -> NoReturn:
    """Runs this very command in several processes on this host, and ends as they do.

    The exit status is that of the process that failed first. One that a signal has killed ends
    this process by the same signal, so that whoever started it sees what it would have seen.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    logging.disable(logging.ERROR)  # the agent's words about what is told here in one line
    os.environ[AGENT], status = str(os.getpid()), 0
    with tempfile.TemporaryDirectory(prefix="ncsn-processes-") as logs:
        try:
            elastic_launch(_config(num_processes, logs), sys.executable)(*sys.orig_argv[1:])
        except ChildFailedError as error:
            status = _told(error, num_processes, Path(logs))
        except SignalException as error:
            status = -error.sigval
    _end(status)


def _config(num_processes: int, logs: str) -> "LaunchConfig":
    """As `torchrun --standalone`: a meeting place of its own at a free port, and no restarts."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
    from torch.distributed.launcher.api import LaunchConfig

    silent = {rank: Std.ALL for rank in range(1, num_processes)}
    return LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=num_processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(log_dir=logs, redirects=silent),
    )


def _told(error: "ChildFailedError", num_processes: int, logs: Path) -> int:
    """Says what ended the first process that failed, where it has not itself; its exit status."""
    rank, failure = error.get_first_failure()
    status = int(failure.exitcode)
    if status < 0:
        name = signal.Signals(-status).name
        print(
            f"error: process {rank} of {num_processes} was killed by {name}, which ended the"
            " others; run the same command to go on",
            file=sys.stderr,
        )
    elif rank > 0:
        for log in logs.glob(f"*/attempt_*/{rank}/stderr.log"):
            text = log.read_text(encoding="utf-8", errors="replace")
            found = _ERROR.search(text)
            print(text[found.start() if found else 0 :], end="", file=sys.stderr)
    return status


def _end(status: int) -> NoReturn:
    if status == -signal.SIGINT:
        raise KeyboardInterrupt
    if status < 0:
        with contextlib.suppress(OSError):  # SIGKILL has no handler
            signal.signal(-status, signal.SIG_DFL)
        sys.stderr.flush()
        os.kill(os.getpid(), -status)
    sys.exit(status)

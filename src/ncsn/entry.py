"""How every script in pipeline/ starts and ends: errors without tracebacks, no orphans.

`dvc repro` killed with SIGKILL leaves its stage running, and that orphan goes on writing the same
outputs beside the next `dvc repro`. A stage therefore asks the kernel to be killed together with
its parent.
"""

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import TracebackType

from ncsn.addresses import masked
from ncsn.errors import Diverged, UserError
from ncsn.places import main_project
from ncsn.secrets_file import take_secrets

MISTAKE, DIVERGED = 2, 3  # exit statuses
_PR_SET_PDEATHSIG = 1
# bound here: a process that has just been forked should call as little as it can
_PRCTL = ctypes.CDLL(None).prctl if sys.platform.startswith("linux") else None


def entry(main: Callable[[], None]) -> None:
    """Runs `main` and turns a user's mistake into one line on stderr and exit status 2.

    Values under which the numbers diverge give status 3, so that a sweep can tell. Ctrl-C exits
    with 130. Any other exception keeps its traceback: it is a fault of ours. No password is shown.
    """
    sys.excepthook = masked_traceback
    if "DVC_STAGE" in os.environ:
        die_with_parent(os.getppid())
    try:
        take_secrets(main_project())
        main()
    except UserError as error:
        print(f"error: {masked(str(error))}", file=sys.stderr)
        sys.exit(DIVERGED if isinstance(error, Diverged) else MISTAKE)
    except KeyboardInterrupt:
        print("stopped; run the same command to go on", file=sys.stderr)
        sys.exit(130)


def masked_traceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Prints an exception as Python does, without passwords; the `sys.excepthook` of scripts."""
    print(masked("".join(traceback.format_exception(kind, error, trace))), end="", file=sys.stderr)


def die_with_parent(parent: int) -> None:
    """Asks the kernel (Linux) to kill this process when the thread that started it ends.

    Args:
        parent: process id of the parent; when it is gone already, this process ends at once.
    """
    if _PRCTL is None:
        return
    _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call
        os.kill(os.getpid(), signal.SIGKILL)

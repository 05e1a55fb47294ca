"""How every script in pipeline/ starts and ends: errors without tracebacks, no orphans.

`dvc repro` killed with SIGKILL leaves its stage running, and that orphan goes on writing the same
outputs beside the next `dvc repro`. A stage therefore asks the kernel to be killed together with
its parent.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

from ncsn.errors import UserError

_PR_SET_PDEATHSIG = 1


def entry(main: Callable[[], None]) -> None:
    """Runs `main` and turns a user's mistake into one line on stderr and exit status 2.

    Ctrl-C exits with 130. Any other exception keeps its traceback: it is a fault of ours.
    """
    if "DVC_STAGE" in os.environ:
        _die_with_parent()
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped; run the same command to go on", file=sys.stderr)
        sys.exit(130)


def _die_with_parent() -> None:
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died between the two calls
        os.kill(os.getpid(), signal.SIGKILL)

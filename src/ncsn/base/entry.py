"""How every script in pipeline/ starts and ends: errors without tracebacks, no orphans.

`dvc repro` killed with SIGKILL leaves its stage running, and that orphan goes on writing the same
outputs beside the next `dvc repro`. A stage therefore asks the kernel to be killed together with
its parent. It does so when this module is imported, which scripts do before they import torch:
that takes seconds, in which the parent may die. So does each process that torchrun starts.

Threads of one computation wait for each other by spinning: on cores that other processes want too,
this keeps the very thread from running that is waited for. They therefore spin only briefly, which
OpenMP must be told before torch loads it; GOMP_SPINCOUNT or OMP_WAIT_POLICY of the user wins.
"""

import contextlib
import ctypes
import errno
import io
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TextIO

from ncsn.base.addresses import masked
from ncsn.base.errors import Diverged, UserError
from ncsn.base.outside import main_project
from ncsn.base.ranked import agent, is_rank, let_the_first_speak
from ncsn.base.secrets_file import take_secrets

MISTAKE, DIVERGED, NO_ROOM = 2, 3, 4  # exit statuses
_AGAIN = "and run the same command again"
_IN_THE_WAY = "something else has this name; move it away"
_ADVICE = {
    errno.ENOSPC: f"the disk is full; free some space {_AGAIN}",
    errno.EDQUOT: f"your share of the disk is used up; free some space {_AGAIN}",
    errno.EROFS: f"the disk is mounted for reading only; make it writable {_AGAIN}",
    errno.EACCES: f"you may not read or write it; change its permissions {_AGAIN}",
    errno.EPERM: f"the system forbids it; change its owner or permissions {_AGAIN}",
    errno.EMFILE: f"too many open files; allow more with `ulimit -n 4096` {_AGAIN}",
    errno.ENFILE: f"too many open files on this machine; end other programs {_AGAIN}",
    errno.ENAMETOOLONG: "the name is too long; shorten it, or move the project up",
    errno.EIO: f"the disk failed; check it {_AGAIN}",
    errno.EISDIR: _IN_THE_WAY,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EEXIST: _IN_THE_WAY,
}
_FULL = (errno.ENOSPC, errno.EDQUOT)
_PR_SET_PDEATHSIG = 1
SPIN_COUNT = "1000"  # of GNU OpenMP, whose own is 300,000: a fraction of a millisecond, then sleep
# bound here: a process that has just been forked should call as little as it can
_PRCTL = ctypes.CDLL(None).prctl if sys.platform.startswith("linux") else None


def entry(main: Callable[[], str | None]) -> None:
    """Runs `main` and prints the line that it returns, with the seconds that it took.

    A user's mistake becomes one line on stderr and exit status 2, and so does a place that cannot
    be written. Values under which the numbers diverge give status 3 and a full disk 4, so that a
    sweep can tell. Ctrl-C exits with 130, a reader of the output that has gone (`| head`) with
    141. Any other exception keeps its traceback: it is a fault of ours. No password is shown.

    Args:
        main: does the work; returns what is to be said of it, None where it printed itself.
    """
    sys.excepthook = masked_traceback
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file name may hold what no terminal can show
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        take_secrets(main_project())
        begin = time.perf_counter()
        if line := main():
            print(f"{line}, {time.perf_counter() - begin:.1f} s")
        sys.stdout.flush()
    except UserError as error:
        let_the_first_speak()
        print(f"error: {masked(str(error))}", file=sys.stderr)
        sys.exit(DIVERGED if isinstance(error, Diverged) else MISTAKE)
    except KeyboardInterrupt:
        print("stopped; run the same command to go on", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        _drop(sys.stdout)
        sys.exit(141)
    except (OSError, RuntimeError) as error:
        refusal = refusal_of_place(error)
        if refusal is None:
            raise
        let_the_first_speak()
        is_full = full_disk(error) is not None
        with contextlib.suppress(OSError):  # the output may lie on the same disk
            print(f"error: {masked(refusal)}", file=sys.stderr)
        if is_full:
            _drop(sys.stdout)
            _drop(sys.stderr)  # Python 3.13 keeps what could not be written for its end
        sys.exit(NO_ROOM if is_full else MISTAKE)


def refusal_of_place(error: BaseException) -> str | None:
    """Returns the file that could not be read or written, why, and what to do; None if not that.

    Args:
        error: an OSError, or what a library raised because of one, as `torch.save` does.
    """
    cause = _of_place(error)
    if cause is None:
        return None
    name = cause.filename2 or cause.filename or f"a file of {Path.cwd()}"
    return f"{os.fsdecode(name)}: {_ADVICE[cause.errno or 0]}"


def full_disk(error: BaseException) -> str | None:
    """Returns the same where a disk, or the user's share of it, is full; None otherwise."""
    cause = _of_place(error)
    return refusal_of_place(cause) if cause is not None and cause.errno in _FULL else None


def _of_place(error: BaseException) -> OSError | None:
    cause: BaseException | None = error
    while cause is not None and not (isinstance(cause, OSError) and cause.errno in _ADVICE):
        cause = cause.__cause__ or cause.__context__
    return cause if isinstance(cause, OSError) else None


def _drop(output: TextIO) -> None:
    """Python flushes at exit, and what cannot be written would change the exit status."""
    with contextlib.suppress(OSError, ValueError):  # no file behind it
        os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())


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


def _is_adopted() -> bool:
    """Whether the parent of this stage has died and init has taken it: no DVC runs as process 1.

    In a container DVC may be process 1 itself, and then the parent is alive.
    """
    if os.getppid() != 1:
        return False
    try:
        command = Path("/proc/1/cmdline").read_bytes()
    except OSError:
        return False
    return not any(word in command for word in (b"dvc", b"python"))


def spin_briefly() -> None:
    """Bounds the spinning of threads that wait, unless the user has said how they wait."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)


spin_briefly()
if "DVC_STAGE" in os.environ or is_rank():
    die_with_parent(agent())
if "DVC_STAGE" in os.environ and _is_adopted():
    os.kill(os.getpid(), signal.SIGKILL)
if is_rank():  # torchrun hands Ctrl-C on, and whoever started it says so
    signal.signal(signal.SIGINT, signal.SIG_DFL)

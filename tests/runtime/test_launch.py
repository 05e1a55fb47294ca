"""A command in several processes ends as one would: statuses, signals, one line of a mistake."""

import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ncsn.base.ranked import LAST_WORDS_SEC

SCRIPT = """
import os, signal, sys, time
from pathlib import Path
from ncsn.base.entry import entry
from ncsn.base.errors import Diverged, UserError
from ncsn.base.ranked import is_first_rank, is_rank
from ncsn.runtime.launch import relaunch

def main():
    if not is_rank():
        relaunch(2)
    print("notice: of each process", file=sys.stderr)
    {what}
    time.sleep(60)

entry(main)
"""
IN_BOTH = "raise UserError('x: wrong')"
IN_ONE = "if not is_first_rank(): raise UserError('x: wrong')"
DIVERGES = "if is_first_rank(): raise Diverged('step 3: nan')"
KILLED = "if not is_first_rank(): os.kill(os.getpid(), signal.SIGKILL)"
FAULT = "if not is_first_rank(): 1 / 0"
FINE = "return 'out.npz: 3 images' if is_first_rank() else None"
WAITING = "Path(str(os.getpid())).touch()"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uses prctl")


def _started(what: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT).replace("{what}", what)],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _errors(said: str) -> list[str]:
    """Lines of stderr but the notice, which a process that is ended early does not come to say."""
    first, *others = [*said.splitlines(), ""]
    lines = others if first == "notice: of each process" else [first, *others]
    return [line for line in lines if line]


@pytest.mark.parametrize(
    ("what", "status", "said"),
    [
        (IN_BOTH, 2, ["error: x: wrong"]),
        (IN_ONE, 2, ["error: x: wrong"]),
        (DIVERGES, 3, ["error: step 3: nan"]),
    ],
    ids=["in both", "in the second alone", "divergence"],
)
def test_a_mistake_is_one_line_with_its_status(tmp_path, what, status, said):
    done = _started(what, tmp_path)
    output, error = done.communicate(timeout=120)
    assert (done.returncode, output, _errors(error)) == (status, "", said)


def test_the_first_process_alone_tells_the_result(tmp_path):
    done = _started(FINE, tmp_path)
    output, error = done.communicate(timeout=120)
    assert done.returncode == 0 and error == "notice: of each process\n"
    assert output.startswith("out.npz: 3 images, ") and output.count("\n") == 1


def test_a_killed_process_ends_all_by_its_signal(tmp_path):
    done = _started(KILLED, tmp_path)
    _, error = done.communicate(timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert _errors(error) == [
        "error: process 1 of 2 was killed by SIGKILL, which ended the others; run the same"
        " command to go on"
    ]


def test_a_fault_of_ours_in_the_second_process_keeps_its_traceback(tmp_path):
    done = _started(FAULT, tmp_path)
    _, error = done.communicate(timeout=120)
    assert done.returncode == 1 and error.count("Traceback") == 1
    assert error.rstrip().endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (signal.SIGTERM, -signal.SIGTERM, []),
        (signal.SIGINT, 130, ["stopped; run the same command to go on"]),
        (signal.SIGKILL, -signal.SIGKILL, []),
    ],
)
def test_a_signal_ends_all(tmp_path, number, status, said):
    started = _started(WAITING, tmp_path)
    _until(lambda: len(list(tmp_path.iterdir())) == 2)
    pids = [int(path.name) for path in tmp_path.iterdir()]
    started.send_signal(number)
    _, error = started.communicate(timeout=120)
    assert started.returncode == status
    assert _errors(error) == said
    _until(lambda: not any(_alive(pid) for pid in pids))


def test_words_wait_longer_than_torchrun_looks():
    from torch.distributed.launcher.api import LaunchConfig

    assert LaunchConfig(1, 1, 1).monitor_interval * 10 < LAST_WORDS_SEC


def _until(come: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not come():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

"""How a command ends: a user's mistake in one line, no orphan of a killed parent."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest


def _python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    code = textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **env}
    )


def test_a_users_mistake_is_one_line_without_a_traceback():
    done = _python(
        """
        from ncsn.base.entry import entry
        from ncsn.base.errors import UserError
        def main():
            raise UserError("noise.sigma_max: wrong")
        entry(main)
        """
    )
    assert (done.returncode, done.stderr) == (2, "error: noise.sigma_max: wrong\n")


def test_the_line_that_a_script_returns_is_printed_with_its_seconds():
    done = _python(
        """
        import time
        from ncsn.base.entry import entry
        def main():
            time.sleep(0.3)
            return "out.json: 3 images"
        entry(main)
        entry(lambda: None)
        """
    )
    assert re.fullmatch(r"out.json: 3 images, 0.[3-9] s\n", done.stdout)


def test_divergence_has_an_exit_status_of_its_own():
    done = _python(
        """
        from ncsn.base.entry import entry
        from ncsn.base.errors import Diverged
        def main():
            raise Diverged("step 3: nan")
        entry(main)
        """
    )
    assert (done.returncode, done.stderr) == (3, "error: step 3: nan\n")


def test_a_fault_of_ours_keeps_its_traceback():
    done = _python("from ncsn.base.entry import entry\nentry(lambda: 1 / 0)")
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uses prctl")
def test_a_stage_dies_with_its_parent():
    """`kill -9` of `dvc repro` used to leave the stage writing the outputs of the next run."""
    child = (
        "import time; from ncsn.base.entry import entry\n"
        "entry(lambda: (print(1, flush=True), time.sleep(60)))"
    )
    parent = f"""
import os, subprocess, sys
os.environ["DVC_STAGE"] = "train"
child = subprocess.Popen([sys.executable, "-c", {child!r}], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
child.wait()
"""
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True
    ) as process:
        pid = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 5
        while _alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

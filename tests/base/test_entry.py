"""How a command ends: a user's mistake in one line, no orphan of a killed parent."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_has_one_too_even_where_it_takes_the_output():
    code = """
        from pathlib import Path
        from ncsn.base.entry import entry
        def main():
            print("begun")
            Path("/dev/full").write_text("x")
        entry(main)
        """
    done = _python(code)
    assert done.returncode == 4 and "the disk is full; free some space" in done.stderr
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with open("/dev/full", "wb") as full:
        assert subprocess.run(command, stdout=full, stderr=full).returncode == 4


def test_a_fault_of_ours_keeps_its_traceback():
    done = _python("from ncsn.base.entry import entry\nentry(lambda: 1 / 0)")
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uses prctl")
def test_a_process_whose_parent_has_died_already_ends_at_once():
    done = _python("from ncsn.base.entry import die_with_parent\ndie_with_parent(1)\nprint(1)")
    assert done.returncode == -signal.SIGKILL and done.stdout == ""


def test_a_reader_that_has_gone_ends_the_command_as_a_shell_expects():
    code = "from ncsn.base.entry import entry\nentry(lambda: print('line\\n' * 100_000))"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize("link", ["from error", ""])
def test_a_full_disk_is_found_behind_a_librarys_own_error(link):
    done = _python(f"""
        from ncsn.base.entry import entry
        def main():
            try:
                raise OSError(28, "No space left on device", "out.pt")
            except OSError as error:
                raise RuntimeError("unexpected pos 64 vs 0") {link}
        entry(main)
    """)
    assert done.returncode == 4
    assert done.stderr.startswith("error: out.pt: the disk is full")


LATE = "import time; print(1, flush=True); time.sleep(1); import ncsn.base.entry; time.sleep(60)"
IMPORTING = "import time, ncsn.base.entry; print(1, flush=True); time.sleep(60)"
WORKING = """import time; from ncsn.base.entry import entry
entry(lambda: (print(1, flush=True), time.sleep(60)))"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uses prctl")
@pytest.mark.parametrize("stage", [LATE, IMPORTING, WORKING])
def test_a_stage_dies_with_its_parent(stage):
    """`kill -9` of `dvc repro` used to leave the stage writing the outputs of the next run."""
    init = Path("/proc/1/cmdline").read_bytes()
    if stage == LATE and (b"python" in init or b"dvc" in init):
        pytest.skip("process 1 may be the parent of a stage here")
    parent = f"""
import os, subprocess, sys
os.environ["DVC_STAGE"] = "train"
child = subprocess.Popen([sys.executable, "-c", {stage!r}], stdout=subprocess.PIPE)
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
        deadline = time.monotonic() + 20
        while _alive(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
    left = _alive(pid)
    if left:
        os.kill(pid, signal.SIGKILL)
    assert not left


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False

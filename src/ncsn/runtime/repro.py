"""`dvc repro` as `make repro` runs it: ready for a folder without git, told stage by stage."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ncsn.base.entry import die_with_parent
from ncsn.runtime.dag import stage_table
from ncsn.runtime.stage_progress import (
    StageProgress,
    headed,
    read_stage_seconds,
    write_stage_seconds,
)

_LOCKS = Path(".dvc/tmp/rwlock")
_CONFIG = Path(".dvc/config.local")


def run_repro(work: str | Path) -> int:
    """Runs `dvc repro` of everything to its end and returns its exit status, as a shell would.

    Ctrl-C and SIGTERM go to DVC and its stages; SIGKILL takes them along.

    Args:
        work: folder that keeps how long the stages took.
    """
    _settle_git()
    _drop_broken_locks()
    progress = StageProgress(list(stage_table()), read_stage_seconds(work))
    with (
        subprocess.Popen(
            ["dvc", "repro"],
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            process_group=0,  # a signal reaches DVC once, from here
            preexec_fn=partial(die_with_parent, os.getpid()),
        ) as dvc,
        _handing_on(dvc),
    ):
        assert dvc.stdout is not None
        for line in headed(dvc.stdout, progress):
            print(line, end="", flush=True)
        status = dvc.wait()
    if status == 0:
        progress.end()
        write_stage_seconds(work, progress.seconds)
    return status if status >= 0 else 128 - status


@contextlib.contextmanager
def _handing_on(dvc: "subprocess.Popen[str]") -> Iterator[None]:
    """Hands Ctrl-C and SIGTERM on to DVC and its stages while the block runs."""

    def hand_on(number: int, _: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(dvc.pid, number)

    before = {number: signal.signal(number, hand_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _settle_git() -> None:
    """Tells DVC whether there is git, in a file that git ignores: a download runs without it."""
    here = Path.cwd()
    has_git = any((folder / ".git").exists() for folder in (here, *here.parents))
    told = _CONFIG.is_file() and "no_scm" in _CONFIG.read_text(encoding="utf-8")
    if has_git == told:
        change = ["--unset", "core.no_scm"] if told else ["core.no_scm", "true"]
        subprocess.run(["dvc", "config", "--local", *change], check=True)


def _drop_broken_locks() -> None:
    """Removes half a list of DVC's locks, which DVC, killed while it wrote it, then refuses."""
    with contextlib.suppress(FileNotFoundError):
        try:
            json.loads(_LOCKS.read_text(encoding="utf-8"))
        except ValueError:
            _LOCKS.unlink()

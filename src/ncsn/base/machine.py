"""This machine and the code on it: processor, commit. Standard library alone."""

import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

SOURCES = ("src", "pipeline", "params.yaml", "dvc.yaml")  # what `dvc repro` itself never writes


def git_commit(root: str | Path = ".") -> str | None:
    """Returns the commit that is checked out at `root`; None outside of git, or without one."""
    return output_of(["git", "-C", str(root), "rev-parse", "HEAD"])


def is_changed(root: str | Path = ".") -> bool:
    """Whether SOURCES differ from the commit."""
    return bool(output_of(["git", "-C", str(root), "status", "--porcelain", "--", *SOURCES]))


def cpu_name() -> str:
    """Returns the processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def output_of(command: Sequence[str]) -> str | None:
    """Returns what a command prints; None if it is missing, fails or takes over ten seconds."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()

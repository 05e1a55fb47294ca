"""Where a run comes from: code version, user, interpreter, packages, machine. Needs no torch."""

import importlib.metadata
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from mlflow.tracking.context import registry

SOURCES = ("src", "pipeline", "params.yaml", "dvc.yaml")  # what `dvc repro` itself never writes
_PACKAGES = ("torch", "torch-fidelity", "mlflow", "dvc", "numpy")


def origin_tags(root: str | Path = ".") -> dict[str, str]:
    """Returns MLflow's source and user tags, git commit and dirty flag, and `env.*` tags.

    The commit is that of `root`: MLflow itself would take the folder of the running script, which
    for an installed package is another one.
    """
    own = {"mlflow.source.name": "dvc.yaml", "mlflow.source.type": "PROJECT"}
    tags: dict[str, str] = registry.resolve_tags(own | git_tags(root))
    return tags | environment_tags()


def git_tags(root: str | Path = ".") -> dict[str, str]:
    """Returns commit, branch and whether SOURCES differ from the commit; empty outside of git."""
    commit = _output(["git", "-C", str(root), "rev-parse", "HEAD"])
    if commit is None:
        return {}
    changes = _output(["git", "-C", str(root), "status", "--porcelain", "--", *SOURCES])
    branch = _output(["git", "-C", str(root), "branch", "--show-current"])
    tags = {"mlflow.source.git.commit": commit, "mlflow.source.git.dirty": str(bool(changes))}
    return tags | ({"mlflow.source.git.branch": branch} if branch else {})


def environment_tags() -> dict[str, str]:
    """Returns versions of Python and of the packages that decide numbers, and the hardware."""
    tags = {"env.python": platform.python_version(), "env.platform": platform.platform()}
    for package in _PACKAGES:
        tags[f"env.{package}"] = importlib.metadata.version(package)
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return tags | {"env.cpu": _cpu_name(), "env.gpu": _output(query) or "none"}


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _output(command: Sequence[str]) -> str | None:
    """What a command prints, None if it is missing or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()

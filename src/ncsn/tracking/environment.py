"""Where a run comes from: code version, user, interpreter, packages, machine. Needs no torch."""

import importlib.metadata
import platform
from pathlib import Path

from mlflow.tracking.context import registry

from ncsn.base.machine import cpu_name, git_commit, is_changed, output_of

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
    commit = git_commit(root)
    if commit is None:
        return {}
    branch = output_of(["git", "-C", str(root), "branch", "--show-current"])
    tags = {"mlflow.source.git.commit": commit, "mlflow.source.git.dirty": str(is_changed(root))}
    return tags | ({"mlflow.source.git.branch": branch} if branch else {})


def environment_tags() -> dict[str, str]:
    """Returns versions of Python and of the packages that decide numbers, and the hardware."""
    tags = {"env.python": platform.python_version(), "env.platform": platform.platform()}
    for package in _PACKAGES:
        tags[f"env.{package}"] = importlib.metadata.version(package)
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return tags | {"env.cpu": cpu_name(), "env.gpu": output_of(query) or "none"}

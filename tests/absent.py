"""Python code run as if some packages were not installed."""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"
TRACKING = {"dvc", "dvc_data", "scmrepo", "mlflow", "optuna", "pandas"}
_WITHOUT = """
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        absent = name.partition(".")[0] in {absent}
        return None if absent else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
"""


def run_without(
    packages: Iterable[str], code: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Runs code in a process of its own, in `folder`, to which `packages` do not exist."""
    places = [str(SRC), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    environment.pop("NCSN_LIVE", None)
    words = [sys.executable, "-c", _WITHOUT.replace("{absent}", str(set(packages))) + code]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)

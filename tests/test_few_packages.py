"""The five stages that make and measure images need neither DVC nor MLflow, Optuna nor pandas."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import TINY

from ncsn.config.preset import write_values

ROOT = Path(__file__).parents[1]
STAGES = "source prepare reference noise train sample evaluate".split()
ABSENT = {"dvc", "dvc_data", "scmrepo", "mlflow", "optuna", "pandas"}
FEW = TINY | {"train.num_steps": 2, "train.preview_every_steps": 2, "sampler.steps_per_level": 1}
RUN = """
import runpy, sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        absent = name.partition(".")[0] in {absent}
        return None if absent else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
for stage in {stages}:
    runpy.run_path(f"pipeline/{{stage}}.py", run_name="__main__")
"""


def _run(folder: Path, stages: list[str]) -> subprocess.CompletedProcess[str]:
    for name in ("src", "pipeline", "dvc.yaml"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "params.yaml", folder)
    write_values(FEW, folder / "params.yaml")
    places = [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places)}
    environment.pop("NCSN_LIVE", None)
    code = RUN.format(absent=ABSENT, stages=stages)
    words = [sys.executable, "-c", code]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)


def test_images_are_made_and_measured_without_them(tmp_path: Path) -> None:
    done = _run(tmp_path, STAGES)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reports" / "metrics.json").exists()
    told = [line for line in done.stderr.splitlines() if "MLflow" in line]
    assert told == [
        "notice: no live tracking: MLflow is not installed; the training's log has every number"
    ]


@pytest.mark.parametrize("module", ["ncsn.report.run.charts", "ncsn.tracking.model"])
def test_what_does_need_them_fails(module: str) -> None:
    """Else they were not absent at all."""
    code = RUN.format(absent=ABSENT, stages=[]) + f"import {module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode != 0 and "No module named '" in done.stderr

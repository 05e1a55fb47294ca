"""The five stages that make and measure images need neither DVC nor MLflow, Optuna nor pandas."""

import shutil
from pathlib import Path

import pytest
from absent import TRACKING, run_without
from tiny import TINY

from ncsn.config.preset import write_values

ROOT = Path(__file__).parents[1]
STAGES = "source prepare reference noise train sample evaluate".split()
FEW = TINY | {"train.num_steps": 2, "train.preview_every_steps": 2, "sampler.steps_per_level": 1}
RUN = """
import runpy

for stage in {stages}:
    runpy.run_path(f"pipeline/{{stage}}.py", run_name="__main__")
"""


def _project(folder: Path) -> Path:
    for name in ("src", "pipeline", "dvc.yaml"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "params.yaml", folder)
    write_values(FEW, folder / "params.yaml")
    return folder


def test_images_are_made_and_measured_without_them(tmp_path: Path) -> None:
    done = run_without(TRACKING, RUN.format(stages=STAGES), _project(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reports" / "metrics.json").exists()
    told = [line for line in done.stderr.splitlines() if "MLflow" in line]
    assert told == [
        "notice: no live tracking: MLflow is not installed; the training's log has every number"
    ]


@pytest.mark.parametrize("module", ["ncsn.report.run.charts", "ncsn.tracking.model"])
def test_what_does_need_them_fails(module: str) -> None:
    """Else they were not absent at all."""
    done = run_without(TRACKING, f"import {module}", ROOT)
    assert done.returncode != 0 and "No module named '" in done.stderr

"""Two runs of the real stages, in processes and folders of their own, leave equal bytes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import TINY

from ncsn.config.preset import write_values

ROOT = Path(__file__).parents[1]
STAGES = (
    "prepare reference noise train sample oracle illustrate neighbours evaluate toy report".split()
)
FEW = TINY | {
    "train.num_steps": 6,
    "train.log_every_steps": 2,
    "train.validate_every_steps": 3,
    "train.preview_every_steps": 3,
    "train.frechet_samples": 10,
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def _outs(folder: Path, stages: list[str], threads: int = 1, **values: object) -> dict[str, bytes]:
    """Runs stages one after the other and returns every file that they leave."""
    for name in ("src", "pipeline", "dvc.yaml"):
        if not (folder / name).exists():
            (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "params.yaml", folder)
    write_values(FEW | values, folder / "params.yaml")
    environment = {**os.environ, "NCSN_LIVE": "0", "PYTHONPATH": str(ROOT / "src")}
    environment |= {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    for stage in stages:
        words = [sys.executable, f"pipeline/{stage}.py"]
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    files = [path for top in ("artifacts", "reports") for path in (folder / top).rglob("*")]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.is_file()}


def _differing(one: dict[str, bytes], two: dict[str, bytes]) -> list[str]:
    return sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))


def test_two_runs_leave_equal_bytes_and_threads_move_no_metric(tmp_path: Path) -> None:
    """Every out of every stage; then again what is measured, with other threads and batches."""
    first, second = tmp_path / "first", tmp_path / "a second one"
    for folder in (first, second):
        folder.mkdir()
    outs = _outs(first, STAGES)
    assert len(outs) > 30
    assert _differing(outs, _outs(second, STAGES)) == []
    measured = ["prepare", "reference", "oracle", "neighbours", "evaluate"]
    again = _outs(second, measured, threads=2, **{"base.max_batch_size": 7})
    assert _differing(outs, again) == []

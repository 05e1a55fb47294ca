"""The real pipeline in a project of its own, with params of which all stages take seconds."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ncsn.base.yaml_file import read_yaml
from ncsn.config.preset import write_values

ROOT = Path(__file__).parents[1]
AUTHOR = ("-c", "user.name=t", "-c", "user.email=t@t")

TINY: dict[str, Any] = {
    "base.checkpoint_every_sec": 0.5,
    "reference.classifier_steps": 5,
    "noise.num_levels": 3,
    "model.base_channels": 4,
    "train.num_steps": 12,
    "train.warmup_steps": 0,
    "train.batch_size": 16,
    "train.log_every_steps": 4,
    "train.validate_every_steps": 6,
    "train.preview_every_steps": 6,
    "sampler.steps_per_level": 2,
    "sample.num_samples": 40,
    "sample.block_size": 20,
    "sample.num_trajectory_images": 2,
    "oracle.num_samples": 40,
    "oracle.num_draws": 20,
    "illustrate.num_inpainted": 2,
    "illustrate.num_completions": 2,
    "illustrate.num_baseline": 4,
    "evaluate.kid_subset_size": 20,
    "report.num_grid_images": 16,
    "toy.density_steps": 5,
    "toy.scales_steps": 5,
    "toy.manifold_steps": 5,
    "toy.num_seeds": 2,
    "toy.num_samples": 64,
    "toy.steps_per_level": 5,
    "toy.scales_num_samples": 16,
    "toy.objectives_dims": [2, 8],
    "toy.objectives_num_draws": 2,
}


def tiny_project(folder: Path) -> Path:
    """Makes `folder` a git repository with the project's files, as a fresh clone has them."""
    for name in ("params.yaml", "dvc.yaml", ".dvcignore", ".gitignore", "pipeline", "src"):
        source = ROOT / name
        ignore = shutil.ignore_patterns("__pycache__")
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    (folder / "reports").mkdir()
    write_values(TINY, folder / "params.yaml")
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["git", "add", "-A"]):
        output_of(folder, *command)
    output_of(folder, "git", *AUTHOR, "commit", "-qm", "tiny")
    return folder


def environment() -> dict[str, str]:
    """Returns the environment in which `dvc` is called inside a tiny project."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    switches = {"OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    switches["PYTHONPATH"] = "src"  # of the folder in which it is called: the project's own
    return {**os.environ, **switches, "PATH": path}


def output_of(folder: Path, *words: str) -> str:
    """Runs a command in a tiny project that must end well; returns what it said."""
    done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tiny_clone(folder: Path) -> Path:
    """Makes `folder` what `git clone` and `make setup` leave, with params and studies made tiny.

    Its .venv is that of the tests, under a stamp of its own.
    """
    listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("the project is no git repository, so that nobody knows what a clone has")
    for name in filter(None, done.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for command in (["init", "-q"], ["add", "-A"], [*AUTHOR, "commit", "-qm", "published"]):
        output_of(folder, "git", *command)
    write_values(TINY, folder / "params.yaml")
    for study in (folder / "studies").glob("*.yaml"):
        study.write_text(json.dumps(_tiny_study(read_yaml(study))))
    output_of(folder, "git", *AUTHOR, "commit", "-qam", "tiny")
    (folder / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name in ("bin", "include", "lib", "lib64", "pyvenv.cfg"):
            (folder / ".venv" / path.name).symlink_to(path)
    (folder / ".venv" / ".installed").touch()
    return folder


def _tiny_study(study: Any) -> dict[str, Any]:
    """Two trials of tiny stages; axes keep their ranges, sizes what they fix."""
    common = {key: value for key, value in study.items() if key != "sizes"}
    few = {"trials": 2, "hours": 1.0, "confirm": 1, "confirm_draws": 2}
    tiny = {k: v for k, v in TINY.items() if k.split(".")[0] not in ("base", "toy", "report")}
    sizes = {}
    for name, size in study["sizes"].items():
        written = json.dumps([common, size])
        added = {key: value for key, value in tiny.items() if f'"{key}"' not in written}
        sizes[name] = {**size, "fixed": {**size.get("fixed", {}), **added}, "budget": few}
    return {**study, "sizes": sizes}

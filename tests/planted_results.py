"""A project whose results DVC has just made, as far as dvc.lock and the files can tell."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from ncsn.base.files import write_json, write_npz
from ncsn.base.yaml_file import read_yaml
from ncsn.config.paths import FINGERPRINTS
from ncsn.runtime.dag import RESULT_STAGES, declared_params, stage_table
from ncsn.runtime.fingerprints import fingerprint

ROOT = Path(__file__).parents[1]


def project_files(folder: Path) -> Path:
    """Fills a folder with the project's params, stages, code and published metrics."""
    folder.mkdir(exist_ok=True)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, folder)
    for name in ("src", "pipeline"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "reports").mkdir()
    for name in ("metrics", "oracle", "reference"):
        shutil.copy(ROOT / "reports" / f"{name}.json", folder / "reports")
    return folder


def plant_results(folder: Path) -> None:
    """Writes the outs of all result stages that are missing, and dvc.lock of what lies there."""
    table, params = stage_table(folder), read_yaml(folder / "params.yaml")
    stages = {}
    for name in RESULT_STAGES:
        write_json(folder / FINGERPRINTS / f"{name}.json", fingerprint(name, folder))
        stages[name] = {
            "cmd": table[name]["cmd"],
            "params": {"params.yaml": declared_params(table[name], params)},
            "outs": [_out(folder, path) for path in _paths(table[name])],
        }
    YAML().dump({"schema": "2.0", "stages": stages}, folder / "dvc.lock")


def _paths(stage: dict[str, Any]) -> list[str]:
    entries = [*stage.get("outs", []), *stage.get("metrics", [])]
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def _out(folder: Path, path: str) -> dict[str, str]:
    file = folder / path
    if not Path(path).suffix:  # a folder, whose content is not looked at
        file.mkdir(parents=True, exist_ok=True)
        return {"path": path, "md5": "0.dir"}
    if not file.exists() and file.suffix == ".npz":
        images = np.random.default_rng(0).integers(0, 256, (70, 8, 8, 1), dtype=np.uint8)
        write_npz(file, arr_0=images)
    elif not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
    return {"path": path, "md5": hashlib.md5(file.read_bytes()).hexdigest()}

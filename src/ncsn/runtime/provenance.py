"""Whether the result files that lie here are those of the present params and code.

A clone comes with the metrics of another machine, and params may have been edited since the last
run. dvc.lock says from which params and files DVC last made what; the files themselves say whether
they are still those. Nothing is run.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ncsn.base.files import read_json
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import PARAMS_FILE
from ncsn.config.paths import FINGERPRINTS
from ncsn.runtime.dag import declared_params, stage_table
from ncsn.runtime.fingerprints import fingerprint

LOCK = Path("dvc.lock")


def outdated(stages: Iterable[str], root: str | Path = ".") -> str | None:
    """Returns why what stages left is not the present configuration's result, None if it is.

    Args:
        stages: names; all that they need should be among them.
        root: the project's top folder.

    Raises:
        UserError: dvc.yaml, dvc.lock or params.yaml cannot be read.
    """
    root = Path(root)
    if not (root / LOCK).exists():
        return f"there is no {LOCK}: DVC has not run here"
    table, locked = stage_table(root), read_yaml(root / LOCK).get("stages") or {}
    params = read_yaml(root / PARAMS_FILE)
    for stage in stages:
        if stage not in locked:
            return f"the stage {stage} has not run"
        wanted = declared_params(table[stage], params)
        reason = _other_params(stage, locked[stage], wanted) or _other_files(locked[stage], root)
        if reason or (reason := _other_code(stage, root)):
            return reason
    return None


def lies_at(path: str | Path, stage: str, root: str | Path = ".") -> bool:
    """Whether the file at `path` is the one that `stage` last left, or read."""
    locked = (read_yaml(Path(root) / LOCK).get("stages") or {}).get(stage) or {}
    entries = [*locked.get("outs", []), *locked.get("deps", [])]
    known = {entry["path"]: entry.get("md5") for entry in entries}
    return str(path) in known and known[str(path)] == _md5(Path(root) / path)


def _other_params(stage: str, locked: Mapping[str, Any], wanted: Mapping[str, Any]) -> str | None:
    had = (locked.get("params") or {}).get(str(PARAMS_FILE)) or {}
    before, now = _leaves(had), _leaves(wanted)
    for key in [key for key in now if key not in before or before[key] != now[key]]:
        return f"{key} is {now[key]} in {PARAMS_FILE}, {stage} last ran with {before.get(key)}"
    return None


def _other_files(locked: Mapping[str, Any], root: Path) -> str | None:
    for entry in locked.get("outs", []):
        path, md5 = root / entry["path"], str(entry.get("md5"))
        if not path.exists():
            return f"{entry['path']} is not here: it was not computed on this machine, or removed"
        if not md5.endswith(".dir") and _md5(path) != md5:
            return f"{entry['path']} is not the file that DVC made"
    return None


def _other_code(stage: str, root: Path) -> str | None:
    noted = root / FINGERPRINTS / f"{stage}.json"
    if noted.exists() and read_json(noted) == fingerprint(stage, root):
        return None
    return f"the code of the stage {stage} has changed since it ran"


def _leaves(value: Any, place: str = "") -> dict[str, Any]:
    """Values by dotted key; `sampler: {epsilon: 1}` and `sampler.epsilon: 1` give the same."""
    if not isinstance(value, Mapping):
        return {place: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= _leaves(inner, f"{place}.{key}" if place else str(key))
    return found


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    return digest.hexdigest()

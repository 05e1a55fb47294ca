"""What dvc.yaml says of each stage, and keys made of it.

A stage's key is a hash of all that decides its result: command, declared params, content of its
deps, and the fingerprint of its code. It names the unfinished work of an interrupted stage, so
that only the same work is ever continued.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ncsn.base.dotted import value_at
from ncsn.base.files import file_sha256, read_json
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import PARAMS_FILE
from ncsn.config.paths import DVC_FILE, FINGERPRINTS, PATHS, WEIGHTS_SOURCE, load_paths
from ncsn.runtime.fingerprints import fingerprint

RESULT_STAGES = ("prepare", "reference", "noise", "train", "sample", "oracle", "evaluate")


def stage_table(root: str | Path = ".") -> dict[str, dict[str, Any]]:
    """Returns the stages of dvc.yaml by name, `${paths.x}` replaced by its own paths."""
    paths = {PATHS: load_paths(root).model_dump()}
    stages: dict[str, dict[str, Any]] = _filled(read_yaml(Path(root) / DVC_FILE), paths)["stages"]
    return stages


def needed_stages(target: str, root: str | Path = ".") -> list[str]:
    """Returns a stage and all that it needs, each one after those that it needs itself."""
    table = stage_table(root)
    maker = {out: name for name, stage in table.items() for out in _outs(stage)}
    found: list[str] = []

    def add(name: str) -> None:
        for dep in table[name].get("deps", []):
            if dep in maker and maker[dep] not in found:
                add(maker[dep])
        found.append(name)

    add(target)
    return found


def declared_params(stage: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Returns the values of the dotted keys that a stage lists under `params`."""
    return {key: value_at(params, key) for key in stage.get("params", [])}


def fingerprinted_stages(root: str | Path = ".") -> list[str]:
    """Returns the names of the stages that depend on a fingerprint of their code."""
    names = stage_table(root)
    return [name for name, stage in names.items() if _code_file(name) in stage.get("deps", [])]


def stage_key(name: str, root: str | Path = ".", *, recorded: bool | None = None) -> str:
    """Returns 32 hexadecimal digits that change with all that decides the outs of `name`.

    Args:
        name: of a stage.
        root: the project's top folder.
        recorded: take the code's fingerprint from the file that the stage `fingerprint` left, as
            everything may that runs after it; None does so inside of DVC. Else it is made anew.
    """
    root = Path(root)
    stage = stage_table(root)[name]
    contents = {dep: _content(dep, root, recorded) for dep in stage.get("deps", [])}
    return _digest([stage["cmd"], declared_params(stage, read_yaml(root / PARAMS_FILE)), contents])


def configuration_key(data_sha256: dict[str, str], root: str | Path = ".") -> str:
    """Returns the key of the whole configuration: all that decides its metrics.

    Params, code, data, and the user's own weights as the stage `source` last found them.

    Args:
        data_sha256: hash of the content of each split, by name.
        root: the project's top folder.
    """
    root = Path(root)
    table, params = stage_table(root), read_yaml(root / PARAMS_FILE)
    weights = root / WEIGHTS_SOURCE
    parts: list[Any] = [data_sha256, read_json(weights) if weights.exists() else {}]
    for name in RESULT_STAGES:
        code = {d: _content(d, root) for d in table[name]["deps"] if _is_code(d)}
        parts.append([name, declared_params(table[name], params), code])
    return _digest(parts)


def contents_key(files: Iterable[Path], setting: str = "") -> str:
    """Returns a key that changes with the content of `files`, their names and `setting`."""
    return _digest([setting, [[path.name, file_sha256(path)] for path in files]])


def _outs(stage: dict[str, Any]) -> list[str]:
    """Paths of all that a stage leaves; an entry with options is a mapping of one path."""
    entries = [*stage.get("outs", []), *stage.get("metrics", [])]
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def _code_file(stage: str) -> str:
    return f"{FINGERPRINTS}/{stage}.json"


def _is_code(dep: str) -> bool:
    return dep.endswith(".py") or dep.startswith(f"{FINGERPRINTS}/")


def _content(dep: str, root: Path, recorded: bool | None = None) -> str:
    if not dep.startswith(f"{FINGERPRINTS}/"):
        return _content_sha256(root / dep)
    recorded = "DVC_STAGE" in os.environ if recorded is None else recorded
    return _digest(read_json(root / dep) if recorded else fingerprint(Path(dep).stem, root))


def _content_sha256(path: Path) -> str:
    if not path.is_dir():
        return file_sha256(path)
    return _digest(
        [
            [str(f.relative_to(path)), file_sha256(f)]
            for f in sorted(path.rglob("*"))
            if f.is_file() and f.parent.name != "__pycache__"  # as .dvcignore has it
        ]
    )


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _filled(value: Any, variables: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {_filled(k, variables): _filled(v, variables) for k, v in value.items()}
    if isinstance(value, list):
        return [_filled(item, variables) for item in value]
    if isinstance(value, str):
        return re.sub(r"\$\{([\w.]+)\}", lambda match: str(value_at(variables, match[1])), value)
    return value

"""Where every file lies: the block `paths` under `vars` of dvc.yaml, which fills in its stages.

Stages replace what lies there, and DVC removes it before a stage runs. So a path must be in a
folder that belongs to the pipeline, and no path may reach into another one. The first stage,
`source`, checks this before DVC removes anything; its own outputs lie at fixed places.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ncsn.base.errors import UserError, nearest
from ncsn.base.marked import refuse_foreign
from ncsn.base.yaml_file import read_yaml
from ncsn.config.sections.kinds import Section

DVC_FILE = Path("dvc.yaml")
PATHS = "paths"
PLACES = ("artifacts", "reports")
WORK_PLACE = ".work"  # neither DVC nor git looks into it
STUDIES = "reports/sweeps"  # reports of sweeps, which git tracks
SOURCE = "artifacts/source"  # outputs of the stage `source`
DATA_SOURCE = f"{SOURCE}/data.json"
WEIGHTS_SOURCE = f"{SOURCE}/weights.json"
FINGERPRINTS = "artifacts/fingerprint"  # outputs of the stage `fingerprint`, one file per stage
CHECKED = f"{SOURCE}/checked.json"  # never changes: stages depend on it, to run after the check
_NAME = re.compile(r"[\w][\w.-]{0,99}")
_IGNORED = re.compile(
    r"__pycache__|mlartifacts|.*\.part|.*\.dvc|dvc\.(yaml|lock)"
)  # names that DVC ignores or reserves


class PathsParams(Section):
    """The block `paths` of dvc.yaml, relative to the project; every rule is in `load_paths`."""

    train_images: str
    test_images: str
    data_summary: str
    reference: str
    reference_summary: str
    training_noise: str
    checkpoint: str
    train_log: str
    train_cost: str
    previews: str
    samples: str
    trajectory: str
    oracle_samples: str
    oracle_summary: str
    oracle_metrics: str
    sample_summary: str
    inpainting: str
    baseline: str
    neighbours: str
    metrics: str
    report: str
    figures: str
    plots: str
    mlflow_run: str
    run_script: str
    toy_summary: str
    toy_figures: str
    work: str


_KEYS = tuple(PathsParams.model_fields)
_FOLDERS = ("reference", "previews", "figures", "plots", "toy_figures", "work")


def load_paths(root: str | Path = ".") -> PathsParams:
    """Reads the paths of a project and checks each, before any work starts.

    Args:
        root: the project's top folder.

    Raises:
        UserError: names every path that is missing, unknown, outside the pipeline's folders,
            behind a link, or equal to, above or below another one.
    """
    root = Path(root)
    block = _block(root)
    complaints = [*_single(block, root), *_colliding(block)]
    if complaints:
        raise UserError(f"{root / DVC_FILE}: " + "\n       ".join(complaints))
    return PathsParams.model_validate(block)


def refuse_users_folders(paths: PathsParams, root: str | Path = ".") -> None:
    """Raises a UserError where an output folder would replace one that is not the pipeline's."""
    for key in _FOLDERS:
        if key != "work":  # shared: only marked folders inside it are removed
            refuse_foreign(Path(root) / getattr(paths, key))


def _block(root: Path) -> Mapping[str, Any]:
    parts = read_yaml(root / DVC_FILE).get("vars")
    parts = parts if isinstance(parts, list) else []
    blocks = [part[PATHS] for part in parts if isinstance(part, dict) and PATHS in part]
    if len(blocks) != 1 or not isinstance(blocks[0], dict):
        raise UserError(f"{root / DVC_FILE}: vars: must hold one block `{PATHS}` with all paths")
    return blocks[0]


def _single(block: Mapping[str, Any], root: Path) -> Iterator[str]:
    for key in [*_KEYS, *(key for key in block if key not in _KEYS)]:
        if key not in block:
            yield f"{PATHS}.{key}: missing; every path must be given"
        elif key not in _KEYS:
            yield f"{PATHS}.{key} (value {block[key]!r}): no such path.{nearest(key, _KEYS)}"
        elif rule := _rule_on_text(key, block[key]) or _rule_on_disk(key, block[key], root):
            yield f"{PATHS}.{key} (value {block[key]!r}): {rule}"


def _rule_on_text(key: str, value: Any) -> str | None:
    """The rule that the text of a path breaks, None if it keeps all."""
    if not isinstance(value, str):
        return "must be text"
    place, *names = value.split("/")
    if key == "work":
        if place != WORK_PLACE:
            return f"must be {WORK_PLACE} or lie in it, where neither DVC nor git looks"
    elif place not in PLACES or not names:
        folders = " or ".join(f"{place}/" for place in PLACES)
        return f"must lie in {folders} of the project; all other folders are yours"
    for name in names:
        if not _NAME.fullmatch(name):
            return (
                "must be made of names of letters, digits, '_', '-' and '.', that start with"
                " neither '.' nor '-'"
            )
        if _IGNORED.fullmatch(name.casefold()):
            return f"must not contain '{name}', a name that DVC ignores or reserves"
    return None


def _rule_on_disk(key: str, value: str, root: Path) -> str | None:
    """The rule that the files at a path, or on the way to it, break; None if they keep all."""
    top, path = root.resolve(), PurePosixPath(value)
    for parent in list(path.parents)[-2::-1]:
        if (top / parent).is_symlink():
            return f"must not lead through the link {parent}"
    if key in _FOLDERS and (top / path).is_symlink():
        return "is a link; a folder of the pipeline's own belongs there"
    if (top / path).exists() and (top / path).is_dir() != (key in _FOLDERS):
        found, wanted = ("a file", "a folder") if key in _FOLDERS else ("a folder", "a file")
        return f"is {found} now, and {wanted} belongs there; move it away"
    return None


def _colliding(block: Mapping[str, Any]) -> Iterator[str]:
    """Complaints about paths equal to, above or below another one, whatever their case."""
    taken = {f"{PATHS}.{key}": block[key] for key in _KEYS if isinstance(block.get(key), str)}
    places = {name: value.casefold().split("/") for name, value in taken.items()}
    places[f"the reports of sweeps ({STUDIES})"] = STUDIES.split("/")
    for stage, place in (("source", SOURCE), ("fingerprint", FINGERPRINTS)):
        places[f"the outputs of the stage {stage} ({place})"] = place.split("/")
    names = list(places)
    for i, name in enumerate(names):
        for other in names[i + 1 :]:
            shorter = min(len(places[name]), len(places[other]))
            if places[name][:shorter] == places[other][:shorter]:
                yield f"{name} (value {taken[name]!r}): must not be, hold or lie in {other}"

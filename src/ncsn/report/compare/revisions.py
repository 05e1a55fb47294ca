"""A revision of git or an experiment of DVC as a run: committed files, and outs of the cache."""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ncsn.base.dotted import flattened
from ncsn.base.errors import UserError
from ncsn.base.files import read_npz
from ncsn.base.git import git
from ncsn.base.records import DataRecord, SampleRecord, read_log, read_metrics, read_record
from ncsn.base.run_record import CURVES, Curve, RunRecord, as_text
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import PARAMS_FILE
from ncsn.config.paths import PathsParams
from ncsn.data.split import checked_images

LOCK_FILE = "dvc.lock"
_EXPERIMENTS = "refs/exps"  # where DVC keeps its experiments
_MOST_SAMPLES = 100


class _Files(NamedTuple):
    """What a revision has: copies of its files in a folder, by the project's own names.

    Attributes:
        folder: the copies.
        cache: DVC's, for what git does not hold.
        hashes: of the outs, by path.
    """

    folder: Path
    cache: Path
    hashes: Mapping[str, str]

    def out(self, path: str) -> Path | None:
        """Where the content of an out lies, None where it is not on this machine."""
        digest = self.hashes.get(path, "")
        place = self.cache / "files" / "md5" / digest[:2] / digest[2:]
        return place if digest and place.is_file() else None


def experiment_names(root: str | Path = ".") -> dict[str, str]:
    """Returns DVC's experiments: their commits by name; nothing outside of git."""
    try:
        lines = git(Path(root), "for-each-ref", _EXPERIMENTS, "--format=%(refname) %(objectname)")
    except UserError:
        return {}
    found = [line.rsplit(" ", 1) for line in lines.splitlines()]
    return {ref.rpartition("/")[2]: commit for ref, commit in found if ref.count("/") == 4}


def revision_record(name: str, paths: PathsParams, root: str | Path = ".") -> RunRecord | None:
    """Returns the run of a revision of git or of an experiment of DVC; None for no such thing.

    Args:
        name: what git or DVC knows.
        paths: where the files lie.
        root: the project's top folder.

    Raises:
        UserError: the revision has no metrics, or a file of it is broken.
    """
    root = Path(root)
    commit = experiment_names(root).get(name) or _commit(root, name)
    if commit is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        try:
            return _record(name, commit, paths, root, Path(folder))
        except UserError as error:
            raise UserError(str(error).replace(f"{folder}/", f"{name}:")) from None


def _record(name: str, commit: str, paths: PathsParams, root: Path, folder: Path) -> RunRecord:
    committed = (str(PARAMS_FILE), LOCK_FILE, paths.metrics, paths.oracle_metrics)
    for path in (*committed, paths.reference_summary):
        _copy(root, commit, path, folder / path)
    if not (folder / paths.metrics).exists():
        raise UserError(f"{name}: has no {paths.metrics}; nothing was evaluated there")
    lock = folder / LOCK_FILE
    files = _Files(folder, _cache(root), _hashes(read_yaml(lock)) if lock.exists() else {})
    numbers, texts = _measured(paths, files)
    params = {k: as_text(v) for k, v in flattened(read_yaml(folder / PARAMS_FILE)).items()}
    when = git(root, "show", "-s", "--format=%cI", commit).strip()
    log = files.out(paths.train_log)
    samples = files.out(paths.samples)
    images = None
    if samples is not None:
        images = checked_images(read_npz(samples), "arr_0", paths.samples)[:_MOST_SAMPLES]
    return RunRecord(
        name=name,
        source=f"DVC, commit {commit[:8]}",
        params=params,
        metrics=numbers,
        texts=texts | {"mlflow.source.git.commit": commit},
        curves={} if log is None else _curves(log),
        samples=images,
        when=when,
    )


def _measured(paths: PathsParams, files: _Files) -> tuple[dict[str, float], dict[str, str]]:
    """Numbers, and conditions as text: of the committed files, and of summaries in the cache."""
    found: dict[str, Any] = {}
    for path in (paths.reference_summary, paths.oracle_metrics, paths.metrics):
        if (files.folder / path).exists():
            found |= read_metrics(files.folder / path)
    if counted := _json(files.out(paths.sample_summary), SampleRecord):
        found |= {f"sample/{key}": value for key, value in counted.items()}
    texts = {key: value for key, value in found.items() if isinstance(value, str)}
    if data := _json(files.out(paths.data_summary), DataRecord):
        texts |= {f"data.{split}_sha256": data[split]["sha256"] for split in ("train", "test")}
    numbers = {k: float(v) for k, v in found.items() if isinstance(v, int | float)}
    return numbers, texts


def _json(path: Path | None, kind: type[DataRecord] | type[SampleRecord]) -> dict[str, Any] | None:
    return None if path is None else read_record(path, kind)


def _curves(log: Path) -> dict[str, Curve]:
    rows = read_log(log)
    return {key: [(row["step"], row[key]) for row in rows if key in row] for key in CURVES}


def _commit(root: Path, name: str) -> str | None:
    if name.startswith("-"):
        return None
    try:
        return git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    except UserError:
        return None


def _copy(root: Path, commit: str, path: str, target: Path) -> None:
    """Brings a committed file of the project, which may be a folder of a larger repository."""
    try:
        text = git(root, "show", f"{commit}:./{path}")
    except UserError:  # not in this commit
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def _hashes(lock: Mapping[str, Any]) -> dict[str, str]:
    stages = lock.get("stages", {}).values()
    outs = [out for stage in stages for out in stage.get("outs", [])]
    return {out["path"]: out["md5"] for out in outs if "md5" in out}


def _cache(root: Path) -> Path:
    """DVC's cache; its place can be set in several files, so that DVC itself is asked."""
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    return root / (done.stdout.strip() if not done.returncode else ".dvc/cache")

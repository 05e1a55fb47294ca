"""Checks of the project: params, data, weights, DVC and its cache, MLflow's store, studies."""

import importlib.util
import os
import shutil
import urllib.request
from pathlib import Path

from ncsn.base.addresses import masked
from ncsn.base.machine import git_commit, output_of
from ncsn.doctor.lines import Line, fine, mend, note

_TIMEOUT_SEC = 5.0
_DRIVERS = {  # packages of SQLAlchemy's default drivers, by the kind of database
    "postgresql": ("psycopg", "--constraint constraints.txt --editable '.[postgres]'"),
    "mysql": ("MySQLdb", "mysqlclient"),
}


def params() -> Line:
    """Whether params.yaml and the paths of dvc.yaml keep their rules."""
    from ncsn.config.params import load_params

    found = load_params("paths", "data", "model")
    return fine(f"params.yaml: {found.model.name} on {found.data.name}")


def data() -> Line:
    """Whether the images are there, or can be downloaded."""
    from ncsn.base.outside import existing, located
    from ncsn.config.params import load_params
    from ncsn.data.download import local_files
    from ncsn.data.sources import PUBLIC

    section = load_params("data").data
    if section.name in PUBLIC:
        public = PUBLIC[section.name]
        found = local_files(public.files, section.name, located(section.root))
        missing = [f.name for f, path in zip(public.files, found, strict=True) if path is None]
        if missing:
            mirrors = [*section.mirrors, *public.mirrors]
            return note(f"{', '.join(missing)} will be downloaded from {mirrors[0]}")
        return fine(f"{section.name}: all files are in {section.root}, with the right hashes")
    if section.name in ("npz", "folder", "celeba"):
        path = existing("data.path", section.path, "file" if section.name == "npz" else "folder")
        return fine(f"data.path: {path}")
    return fine(f"{section.name}: comes with scikit-learn")


def weights() -> Line:
    """Whether the extractor's weights are there, or can be downloaded."""
    import torch

    from ncsn.config.params import load_params
    from ncsn.evaluate.inception import inception_weights
    from ncsn.evaluate.torch_fidelity import INCEPTION_URL

    section = load_params("reference").reference
    if section.extractor == "classifier":
        return fine("none needed: the classifier is trained here")
    name = INCEPTION_URL.rpartition("/")[2]
    place = section.weights_path or str(Path(torch.hub.get_dir()) / "checkpoints" / name)
    if section.weights_path is None and not Path(place).exists():
        return note(f"Inception's 96 MB will be downloaded from {INCEPTION_URL}")
    return fine(str(inception_weights(place)))


def git() -> Line:
    """Git, without which there are no sweeps and no experiments."""
    if shutil.which("git") is None:
        return note("not installed: no sweeps, and no experiments of DVC")
    commit = git_commit()
    if commit is None:
        return note("no commit here: no sweeps; git init && git add -A && git commit -m start")
    return fine(commit[:7])


def dvc() -> Line:
    """DVC's command and its project."""
    if importlib.util.find_spec("dvc") is None or shutil.which("dvc") is None:
        return mend("no command `dvc`; run `make setup`, then `source .venv/bin/activate`")
    if not Path(".dvc").is_dir():
        return mend("no folder .dvc here; run this from the project's top folder, or `dvc init`")
    return fine(importlib.metadata.version("dvc"))


def cache() -> Line:
    """DVC's cache: where it is, and whether it can be written."""
    from ncsn.tracking.database import folder_fault

    place = output_of(["dvc", "cache", "dir"])
    if place is None:
        return mend("`dvc cache dir` fails; run it to see why")
    if fault := folder_fault(Path(place).absolute()):
        return mend(f"{place} {fault}")
    on_other_disk = Path(place).exists() and os.stat(place).st_dev != os.stat(".").st_dev
    if on_other_disk:
        return note(f"{place} is on another disk, so that outs are copied")
    return fine(place)


def store() -> Line:
    """MLflow's store."""
    from ncsn.config.params import load_params
    from ncsn.tracking.database import database_fault, is_absent
    from ncsn.tracking.place import database_path, refusal, store_uri

    uri = store_uri(load_params("track").track)
    path = database_path(uri)
    if path is not None:
        if fault := database_fault(path):
            return mend(refusal(uri, fault))
        return fine(f"{path}, made by the first run" if is_absent(path) else str(path))
    if uri.startswith("http"):
        try:
            with urllib.request.urlopen(uri.rstrip("/") + "/health", timeout=_TIMEOUT_SEC):
                return fine(masked(uri))
        except OSError as error:
            return mend(refusal(uri, f"does not answer ({error}); start the server"))
    missing = _missing_driver(uri)
    return mend(refusal(uri, missing)) if missing else fine(masked(uri))


def studies() -> Line:
    """The database of studies, which no stage needs."""
    from ncsn.base.errors import UserError
    from ncsn.config.params import load_params
    from ncsn.sweep.search.address import sqlite_path, storage_url
    from ncsn.sweep.search.database import refuse_foreign_file

    url = storage_url(load_params("sweep").sweep)
    try:
        path = sqlite_path(url, Path().resolve())
        if path is not None:
            refuse_foreign_file(url, path)
            return fine(str(path) if path.exists() else f"{path}, made by the first study")
    except UserError as error:  # sweeps will not run, `make repro` will
        return note(str(error))
    missing = _missing_driver(url)
    return note(masked(f"{url}: {missing}")) if missing else fine(masked(url))


def _missing_driver(url: str) -> str | None:
    """What to install for the database of an address, None where nothing is missing."""
    kind, _, driver = url.partition("://")[0].partition("+")
    module, package = _DRIVERS.get(kind, ("", ""))
    module, package = (driver, driver) if driver else (module, package)
    if module and importlib.util.find_spec(module) is None:
        return f"its driver is not installed; pip install {package}"
    return None

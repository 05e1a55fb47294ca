"""A few images of each trial, kept beside the database as Optuna's artifacts.

The images of a draw lie in a workspace until its next one; a row of the first of them is all that
a person needs to see what a point does. Optuna's dashboard shows artifacts of this folder.
"""

import io
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import numpy as np
import optuna
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta, upload_artifact
from optuna.trial import FrozenTrial
from PIL import Image

from ncsn.base.errors import UserError
from ncsn.base.files import read_npz, whole_file
from ncsn.base.image_grid import image_grid
from ncsn.data.split import checked_images
from ncsn.sweep.search.database import Storage
from ncsn.sweep.search.optuna_private import storage_of
from ncsn.sweep.search.study import load_study

ARTIFACTS = "sweep_artifacts"  # folder of the images, in the project's top folder
NAME = "samples.png"
PER_ROW = 8
_TWO_ROWS = 1024  # values of an image up to which there are two rows; noise does not compress


class _WholeFiles(FileSystemArtifactStore):
    """Optuna's store in a folder; a file appears whole or not at all."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        with whole_file(self._folder / artifact_id) as partial, open(partial, "wb") as file:
            shutil.copyfileobj(content_body, file)


def samples_png(images: np.ndarray) -> bytes:
    """Returns the first images as a PNG: a row of eight, of small ones two rows.

    Pixels are those of the images, with a white line of one pixel between these.

    Args:
        images: uint8, shape (N, H, W, C), C is 1 or 3.
    """
    count = PER_ROW * (2 if images[0].size <= _TWO_ROWS else 1)
    shown = images[:count]
    grid = image_grid(shown, min(PER_ROW, len(shown)), gap=1)
    picture = Image.fromarray(grid[..., 0] if grid.shape[2] == 1 else grid)
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def keep_samples(trial: optuna.Trial, samples: Path, artifacts: Path) -> None:
    """Keeps a few images of a running trial; what cannot be kept is told and ends nothing.

    Args:
        trial: it gets the artifact.
        samples: .npz of its images; none is kept where it does not lie.
        artifacts: folder of all artifacts, made where it is not there.
    """
    if not samples.exists():
        return
    try:
        png = samples_png(checked_images(read_npz(samples), "arr_0", samples))
        with TemporaryDirectory() as folder:
            path = Path(folder) / NAME
            path.write_bytes(png)
            store = _WholeFiles(artifacts)
            upload_artifact(artifact_store=store, file_path=str(path), study_or_trial=trial)
    except (OSError, UserError) as error:
        print(f"warning: trial {trial.number} keeps no sample images: {error}", flush=True)


def kept_samples(storage: Storage, name: str, artifacts: Path) -> dict[int, bytes]:
    """Returns the PNG files of a study's trials by number; those that lie elsewhere are left out.

    Args:
        storage: of the studies.
        name: full name of the study.
        artifacts: folder of all artifacts.

    Raises:
        UserError: the storage has no such study.
    """
    study = load_study(storage, name)
    found = {}
    for trial in study.get_trials(deepcopy=False):
        path = _file_of(study, trial, artifacts)
        if path is not None and path.is_file():
            found[trial.number] = path.read_bytes()
    return found


def artifact_attrs(png: bytes, artifacts: Path, artifact_id: str) -> dict[str, str]:
    """Writes a PNG as an artifact and returns the system attributes of the trial that has it.

    Args:
        png: the file's content.
        artifacts: folder of all artifacts.
        artifact_id: its name there; one that is there is left as it is.
    """
    if not (artifacts / artifact_id).exists():
        _WholeFiles(artifacts).write(artifact_id, io.BytesIO(png))
    meta = {"artifact_id": artifact_id, "filename": NAME, "mimetype": "image/png"}
    return {f"{PREFIX}{artifact_id}": json.dumps({**meta, "encoding": None})}


PREFIX = "artifacts:"  # of the system attributes in which Optuna notes artifacts


def _file_of(study: optuna.Study, trial: FrozenTrial, artifacts: Path) -> Path | None:
    """The newest: a trial that is tried again has those of its first try, too."""
    metas = get_all_artifact_meta(trial, storage=storage_of(study))
    files = [artifacts / meta.artifact_id for meta in metas if meta.filename == NAME]
    return files[-1] if files else None

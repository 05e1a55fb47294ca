"""Folders for unfinished work, one for each stage and key, outside the stage's declared outputs.

A killed stage finds its own folder again only while nothing that decides its result has changed,
so a training with another learning rate never continues an old one.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ncsn.base.marked import mark_folder, refuse_foreign, remove_marked
from ncsn.runtime.dag import stage_key

SHARED_WORK = "NCSN_WORK"  # in the environment: a folder that several workspaces share


@contextlib.contextmanager
def work_folder(stage: str, root: str | Path) -> Iterator[Path]:
    """Yields the folder of this stage's unfinished work; removes it when the block ends well.

    Args:
        stage: name of a stage in dvc.yaml; its key names the folder.
        root: `paths.work` of dvc.yaml; NCSN_WORK in the environment wins.

    Raises:
        UserError: a folder of that name is there, and was not made here.
    """
    folder = Path(os.environ.get(SHARED_WORK) or root) / f"{stage}-{stage_key(stage)}"
    refuse_foreign(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mark_folder(folder)
    yield folder
    remove_marked(folder)

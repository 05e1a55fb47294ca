"""What a finished training leaves: its work folder as the outs of the stage `train`."""

import shutil
from pathlib import Path

from ncsn.base.files import whole_file, whole_folder
from ncsn.base.records import read_log
from ncsn.config.paths import PathsParams
from ncsn.runtime.times import note_seconds
from ncsn.train.checkpoint import Checkpoint, save_checkpoint
from ncsn.train.log import LOG, PREVIEWS, SPEED
from ncsn.train.log_rows import training_seconds
from ncsn.train.loop import COST


def write_trained(checkpoint: Checkpoint, folder: Path, paths: PathsParams) -> None:
    """Writes checkpoint, log, previews and cost; the seconds go where DVC does not look.

    Args:
        checkpoint: of the last step.
        folder: work folder of the training.
        paths: where the outs belong.
    """
    with whole_folder(paths.previews) as previews, whole_file(paths.train_log) as log:
        shutil.copytree(folder / PREVIEWS, previews, dirs_exist_ok=True)
        shutil.copy(folder / LOG, log)
    with whole_file(paths.train_cost) as cost:
        shutil.copy(folder / COST, cost)
    save_checkpoint(paths.checkpoint, checkpoint)
    if spent := training_seconds(read_log(folder / SPEED)):
        note_seconds(paths.train_log, spent, paths.work)

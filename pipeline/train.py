"""Takes the prepared images and the training noise; leaves a checkpoint, a log and preview grids.
A killed training goes on from its last checkpoint when nothing that decides it has changed.
Run it with `dvc repro train`."""

from ncsn.base.entry import entry
from ncsn.base.marked import refuse_foreign
from ncsn.base.records import NoiseRecord, read_record
from ncsn.config.limits import check_counts
from ncsn.config.params import load_params
from ncsn.data.labels import check_labels
from ncsn.data.split import load_split
from ncsn.runtime.ranks import join
from ncsn.runtime.unfinished import work_folder
from ncsn.tracking.live import following
from ncsn.train.log import LOG, PREVIEWS, SPEED
from ncsn.train.loop import train
from ncsn.train.results import write_trained
from ncsn.train.task import image_task


def main() -> str:
    """The stage."""
    params = load_params("base", "paths", "model", "train", "reference")
    paths, ranks = params.paths, join(params.base, params.paths.work)
    refuse_foreign(paths.previews)  # told now, not after the training
    train_split, test_split = load_split(paths.train_images), load_split(paths.test_images)
    check_labels(params.reference.extractor, train_split.labels, test_split.labels)
    images, held_out = train_split.images, test_split.images
    check_counts(len(images), len(held_out), images.shape[1:])
    noise = read_record(paths.training_noise, NoiseRecord)
    task = image_task(images, held_out, noise, params, ranks.device)
    with work_folder("train", paths.work) as folder:
        with following((folder / LOG, folder / SPEED), folder / PREVIEWS):
            checkpoint = train(task, params.train, params.base, folder, ranks)
        write_trained(checkpoint, folder, paths)
    return f"{paths.checkpoint}: {checkpoint.step} steps"


if __name__ == "__main__":
    entry(main)

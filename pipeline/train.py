"""Takes the prepared images and the training noise; leaves a checkpoint, a log and preview grids.
A killed training goes on from its last checkpoint when nothing that decides it has changed.
Run it with `dvc repro train`."""

import time

from ncsn.base.entry import entry
from ncsn.base.marked import refuse_foreign
from ncsn.base.records import NoiseRecord, read_record
from ncsn.builders.objective import build_objective
from ncsn.builders.score_net import build_score_net, trained_sigmas
from ncsn.config.limits import check_counts
from ncsn.config.params import load_params
from ncsn.data.arrays import load_split, to_chw
from ncsn.data.labels import check_labels
from ncsn.runtime.device import build_device
from ncsn.runtime.execution import placed
from ncsn.runtime.unfinished import work_folder
from ncsn.tracking.live import following
from ncsn.train.log import LOG, PREVIEWS, SPEED
from ncsn.train.loop import Task, train
from ncsn.train.results import write_trained


def main() -> None:
    """The stage."""
    begin = time.perf_counter()
    params = load_params("base", "paths", "model", "train", "reference")
    paths, device = params.paths, build_device(params.base)
    refuse_foreign(paths.previews)  # told now, not after the training
    splits = load_split(paths.train_images), load_split(paths.test_images)
    check_labels(params.reference.extractor, *(split.labels for split in splits))
    images, held_out = (to_chw(split.images).to(device) for split in splits)
    shape, dequantised = images.shape[1:], params.train.uniform_dequantisation
    check_counts(len(images), len(held_out), shape)
    noise = read_record(paths.training_noise, NoiseRecord)
    sigmas = trained_sigmas(noise).to(device)
    seed = params.base.seed
    net = build_score_net(
        params.model, sigmas, shape, seed, points=images, dequantised=dequantised
    )
    net = placed(net, device)
    described = {name: getattr(params, name).model_dump() for name in ("model", "train")}
    described["noise"] = noise
    objective = build_objective(params.train, sigmas)
    sigma_range = tuple(noise["range"]) if "range" in noise else None
    task = Task(net, objective, images, held_out, sigmas, described, sigma_range)
    with work_folder("train", paths.work) as folder:
        with following((folder / LOG, folder / SPEED), folder / PREVIEWS):
            checkpoint = train(task, params.train, params.base, folder)
        write_trained(checkpoint, folder, paths)
    seconds = time.perf_counter() - begin
    print(f"{paths.checkpoint}: {checkpoint.step} steps, {seconds:.1f} s")


if __name__ == "__main__":
    entry(main)

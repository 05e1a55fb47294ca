"""Takes the prepared images and the training noise; leaves a checkpoint, a log and preview grids.
A killed training goes on from its last checkpoint when nothing that decides it has changed.
Run it with `dvc repro train`."""

import shutil
import time

from ncsn.build.device import build_device
from ncsn.build.objective import build_objective
from ncsn.build.score_net import build_score_net, trained_sigmas
from ncsn.checkpoint import save_checkpoint
from ncsn.data.arrays import load_split, to_chw
from ncsn.data.labels import check_labels
from ncsn.entry import entry
from ncsn.execution import placed
from ncsn.follow import following
from ncsn.io import whole_file, whole_folder
from ncsn.params import load_params
from ncsn.records import NoiseRecord, read_record
from ncsn.training import COST, LOG, PREVIEWS, Task, train
from ncsn.work import work_folder


def main() -> None:
    """The stage."""
    begin = time.perf_counter()
    params = load_params("base", "paths", "model", "train", "reference")
    paths, device = params.paths, build_device(params.base)
    splits = load_split(paths.train_images), load_split(paths.test_images)
    check_labels(params.reference.extractor, *(split.labels for split in splits))
    images, held_out = (to_chw(split.images).to(device) for split in splits)
    noise = read_record(paths.training_noise, NoiseRecord)
    sigmas = trained_sigmas(noise).to(device)
    net = build_score_net(
        params.model,
        sigmas,
        images.shape[1:],
        params.base.seed,
        points=images,
        dequantised=params.train.uniform_dequantisation,
    )
    net = placed(net, device)
    described = {name: getattr(params, name).model_dump() for name in ("model", "train")}
    described["noise"] = noise
    objective = build_objective(params.train, sigmas)
    sigma_range = tuple(noise["range"]) if "range" in noise else None
    task = Task(net, objective, images, held_out, sigmas, described, sigma_range)
    with work_folder("train", paths.work) as folder:
        with following(folder / LOG, folder / PREVIEWS):
            checkpoint = train(task, params.train, params.base, folder)
        with whole_folder(paths.previews) as previews, whole_file(paths.train_log) as log:
            shutil.copytree(folder / PREVIEWS, previews, dirs_exist_ok=True)
            shutil.copy(folder / LOG, log)
        with whole_file(paths.train_cost) as cost:
            shutil.copy(folder / COST, cost)
        save_checkpoint(paths.checkpoint, checkpoint)
    seconds = time.perf_counter() - begin
    print(f"{paths.checkpoint}: {checkpoint.step} steps, {seconds:.1f} s")


if __name__ == "__main__":
    entry(main)

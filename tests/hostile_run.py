"""All files of a small run, made without a training: what the readers of the pipeline read."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ncsn.base import metric_names as keys
from ncsn.base import training_names
from ncsn.base.files import write_json, write_jsonl, write_npz
from ncsn.base.records import write_metrics
from ncsn.builders.score_net import build_score_net, build_sigmas
from ncsn.builders.training_noise import training_noise
from ncsn.config.params import ProjectParams
from ncsn.data.split import Split, write_split
from ncsn.data.statistics import split_summary
from ncsn.evaluate.write_reference import write_reference
from ncsn.report.run.pictures import TOY_STUDIES
from ncsn.report.run.toy import TOY_NUMBERS
from ncsn.train.checkpoint import Checkpoint, save_checkpoint
from ncsn.train.previews import write_grid

SHAPE, SEED = (8, 8, 1), 1


def write_run(params: ProjectParams) -> None:
    """Writes them to the paths of `params`."""
    paths, rng = params.paths, np.random.default_rng(0)
    images = rng.integers(0, 256, (120, *SHAPE), np.uint8)
    labels = np.arange(120) % 3
    train, test = Split(images[:70], labels[:70]), Split(images[70:], labels[70:])
    write_split(paths.train_images, train)
    write_split(paths.test_images, test)
    summary = {"name": "digits", "train": split_summary(train), "test": split_summary(test)}
    write_json(
        paths.data_summary,
        {**summary, "pairwise": {"max": 5.0, "median": 3.0, "num_points": 70}},
    )
    summary = write_reference(
        paths.reference, train, test, params.reference, SEED, torch.device("cpu")
    )
    write_json(paths.reference_summary, summary)
    noise = training_noise(params.noise, "ncsn")
    write_json(paths.training_noise, noise)
    _write_training(params, noise)
    _write_results(params, images, noise["sigmas"])


def _write_results(params: ProjectParams, images: np.ndarray, sigmas: list[float]) -> None:
    paths, rng = params.paths, np.random.default_rng(1)
    write_npz(paths.samples, arr_0=images[:20])
    states = rng.integers(0, 256, (11, 4, *SHAPE), np.uint8)
    write_npz(paths.trajectory, images=states, sigmas=np.array([0.0, *sigmas]))
    counts = {"num_samples": 20, "network_evaluations_per_image": 100, "flops_per_evaluation": 9}
    write_json(paths.sample_summary, counts)
    losses = {"sigmas": sigmas, "mean": sigmas, "standard_error": sigmas}
    write_json(paths.oracle_summary, losses)
    measured = {keys.FID: 5.0, keys.FID_NUM_SAMPLES: 20, keys.KID_MEAN: 0.1, keys.KID_STD: 0.1}
    write_json(paths.oracle_metrics, keys.oracle_metrics(measured))
    conditions = {keys.NUM_REFERENCE: 50, keys.EXTRACTOR: "classifier", keys.FEATURE_LAYER: "128"}
    write_metrics(paths.metrics, measured | conditions)
    known = np.zeros((2, 8, 8), bool)
    filled = rng.integers(0, 256, (2, 3, 2, *SHAPE), np.uint8)
    write_npz(paths.inpainting, originals=images[:3], known=known, completions=filled)
    write_npz(paths.baseline, images=images[:9])
    near = {
        "indices": [[1, 2], [3, 4]],
        "distances": [[1.0, 2.0], [3.0, 4.0]],
        "held_out_distances": [1.0, 2.0],
    }
    about = {"extractor": "classifier", "feature_layer": "128", "num_train": 70}
    write_json(paths.neighbours, {**about, "pixels": near, "features": near})
    write_json(paths.toy_summary, dict.fromkeys(TOY_NUMBERS, 0.5) | {"toy/share_num_seeds": 3})
    picture = torch.zeros(1, 1, 2, 2, dtype=torch.uint8)
    for name in TOY_STUDIES:
        write_grid(Path(paths.toy_figures) / f"{name}.png", picture)
    write_grid(Path(paths.previews) / "step_00000010.png", picture)


def _write_training(params: ProjectParams, noise: dict[str, Any]) -> None:
    paths, sigmas = params.paths, build_sigmas(params.noise)
    rows = [
        {
            "step": 10 * n,
            training_names.TRAIN_LOSS: 9.0 / n,
            training_names.level_key(training_names.TRAIN_LOSS, n): 1.0,
        }
        for n in range(1, 9)
    ]
    write_jsonl(paths.train_log, rows)
    write_json(paths.train_cost, {"flops_per_image": 9, "num_images": 80, "flops": 720})
    net = build_score_net(params.model, sigmas, (1, 8, 8))
    described = {name: getattr(params, name).model_dump() for name in ("model", "train")}
    state, window = net.state_dict(), {"totals": torch.zeros(10), "counts": torch.zeros(10)}
    described["noise"] = noise
    saved = Checkpoint(80, described, (1, 8, 8), state, state, {"state": {}}, window)
    save_checkpoint(paths.checkpoint, saved)

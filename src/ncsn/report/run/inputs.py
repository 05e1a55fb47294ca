"""What the report reads: the result files of the other stages, as one frozen value.

Nothing is computed here. `tables` makes tidy data of it, `charts` and `grids` make pictures,
`page` the HTML.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ncsn.base import metric_names as keys
from ncsn.base.errors import Missing
from ncsn.base.files import read_npz
from ncsn.base.records import (
    CostRecord,
    DataRecord,
    NeighboursRecord,
    NoiseRecord,
    OracleRecord,
    SampleRecord,
    read_log,
    read_metrics,
    read_record,
)
from ncsn.config.paths import PathsParams
from ncsn.data.split import checked_images
from ncsn.report.run.checks import (
    check_inpainting,
    check_levels,
    check_neighbours,
    check_oracle,
    check_shapes,
    check_trajectory,
)
from ncsn.report.run.pictures import read_previews, read_toy_figures
from ncsn.report.run.toy import TOY_NUMBERS

_CONDITIONS = (keys.FID_NUM_SAMPLES, keys.NUM_REFERENCE, keys.EXTRACTOR, keys.FEATURE_LAYER)
_ORACLE_COUNT = "oracle/fid_num_samples"
_NOTHING = np.empty(0)


@dataclass(frozen=True)
class ReportInputs:
    """Result files in memory.

    Attributes:
        data: summary of the prepared data, by split.
        reference: floors and the extractor's own quality.
        training_sigmas: levels of the logged losses, largest first; empty where nothing was
            trained.
        log: one mapping per logged training step.
        samples: generated images, uint8, shape (N, H, W, C), C is 1 or 3.
        train: training images in the form of `samples`.
        real: held-out images in the form of `samples`.
        trajectory: states along the annealing, uint8, shape (K, N, H, W, C).
        trajectory_sigmas: level of each state, shape (K,); 0 for the start, which has none.
        sampling: counts and cost of sampling.
        training_cost: images and FLOPs of the training.
        metrics: numbers of the generated images, and of the oracle's, with their conditions.
        oracle: least reachable losses; None where no oracle was drawn from.
        inpainting: `originals` (N, H, W, C), `known` (2, H, W), `completions` (2, N, K, H, W, C)
            of the left and the right half.
        baseline: images drawn without annealing, in the form of `samples`, with their noise.
        neighbours: indices and distances of training images, of `pixels` and of `features`.
        previews: grids of images drawn during the training, uint8, (H, W, 3), by step.
        toy: numbers of the toy studies.
        toy_figures: their figures as PNG, by study.
    """

    data: dict[str, Any]
    reference: dict[str, Any]
    training_sigmas: list[float]
    log: list[dict[str, Any]]
    samples: np.ndarray
    train: np.ndarray
    real: np.ndarray
    trajectory: np.ndarray
    trajectory_sigmas: np.ndarray
    sampling: dict[str, Any]
    training_cost: dict[str, Any]
    metrics: dict[str, Any]
    oracle: dict[str, Any] | None
    inpainting: dict[str, np.ndarray]
    baseline: np.ndarray
    neighbours: dict[str, Any]
    previews: dict[int, np.ndarray]
    toy: dict[str, Any]
    toy_figures: dict[str, bytes]


def read_inputs(paths: PathsParams) -> ReportInputs:
    """Reads every input of the report.

    Raises:
        UserError: a file is missing or broken, or does not fit the others.
    """
    trajectory = read_npz(paths.trajectory)
    metrics = read_metrics(paths.metrics, *_CONDITIONS)
    inputs = ReportInputs(
        data=read_record(paths.data_summary, DataRecord),
        reference=read_metrics(paths.reference_summary, keys.FLOOR_FID_NUM_SAMPLES),
        training_sigmas=read_record(paths.training_noise, NoiseRecord).get("sigmas", []),
        log=read_log(paths.train_log),
        samples=_images(paths.samples, "arr_0"),
        train=_images(paths.train_images),
        real=_images(paths.test_images),
        trajectory=trajectory.get("images", _NOTHING),
        trajectory_sigmas=trajectory.get("sigmas", _NOTHING),
        sampling=read_record(paths.sample_summary, SampleRecord),
        training_cost=read_record(paths.train_cost, CostRecord),
        metrics=metrics | read_metrics(paths.oracle_metrics, _ORACLE_COUNT),
        oracle=_oracle(paths.oracle_summary),
        inpainting=read_npz(paths.inpainting),
        baseline=_images(paths.baseline),
        neighbours=read_record(paths.neighbours, NeighboursRecord),
        previews=read_previews(paths.previews),
        toy=read_metrics(paths.toy_summary, *TOY_NUMBERS),
        toy_figures=read_toy_figures(paths.toy_figures),
    )
    _check(inputs, paths)
    return inputs


def _oracle(path: str) -> dict[str, Any] | None:
    try:
        return read_record(path, OracleRecord)
    except Missing:  # the stage need not have run
        return None


def _images(path: str, name: str = "images") -> np.ndarray:
    return checked_images(read_npz(path), name, path)


def _check(inputs: ReportInputs, paths: PathsParams) -> None:
    """Makes sure that the inputs are of one run."""
    images = {
        paths.samples: inputs.samples,
        paths.train_images: inputs.train,
        paths.test_images: inputs.real,
        paths.baseline: inputs.baseline,
    }
    check_shapes(images)
    shape, count = inputs.samples.shape[1:], len(inputs.samples)
    check_trajectory(inputs.trajectory, inputs.trajectory_sigmas, shape, paths.trajectory)
    check_inpainting(inputs.inpainting, shape, paths.inpainting)
    check_neighbours(inputs.neighbours, count, len(inputs.train), paths.neighbours)
    check_levels(inputs.log, len(inputs.training_sigmas), paths.train_log)
    if inputs.oracle is not None:
        check_oracle(inputs.oracle, paths.oracle_summary)

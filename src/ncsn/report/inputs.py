"""What the report reads: the result files of the other stages, as one frozen value.

Nothing is computed here. `tables` makes tidy data of it, `figures` and `grids` make pictures,
`page` the HTML.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ncsn.io import read_json, read_jsonl, read_npz
from ncsn.paths import PathsParams


@dataclass(frozen=True)
class ReportInputs:
    """Result files in memory.

    Attributes:
        data: summary of the prepared data, by split.
        reference: floors and the extractor's own quality.
        training_sigmas: levels of the logged losses, largest first; empty where nothing was
            trained.
        log: one mapping a logged training step.
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


def read_inputs(paths: PathsParams) -> ReportInputs:
    """Reads every input of the report.

    Raises:
        UserError: a file is missing or broken.
    """
    trajectory = read_npz(paths.trajectory)
    has_oracle = Path(paths.oracle_summary).exists()
    return ReportInputs(
        data=read_json(paths.data_summary),
        reference=read_json(paths.reference_summary),
        training_sigmas=read_json(paths.training_noise).get("sigmas", []),
        log=read_jsonl(paths.train_log),
        samples=read_npz(paths.samples)["arr_0"],
        train=read_npz(paths.train_images)["images"],
        real=read_npz(paths.test_images)["images"],
        trajectory=trajectory["images"],
        trajectory_sigmas=trajectory["sigmas"],
        sampling=read_json(paths.sample_summary),
        training_cost=read_json(paths.train_cost),
        metrics=read_json(paths.metrics) | read_json(paths.oracle_metrics),
        oracle=read_json(paths.oracle_summary) if has_oracle else None,
        inpainting=read_npz(paths.inpainting),
        baseline=read_npz(paths.baseline)["images"],
        neighbours=read_json(paths.neighbours),
    )

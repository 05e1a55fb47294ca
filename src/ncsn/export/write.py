"""Writes an export: weights, configuration, model card and samples of one checkpoint."""

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

from PIL import Image
from safetensors.torch import save

from ncsn.base.files import file_sha256, read_npz, whole_folder
from ncsn.base.machine import git_commit, is_changed
from ncsn.base.records import read_metrics
from ncsn.builders.score_net import build_sigmas, build_trained_net
from ncsn.config.params import ProjectParams
from ncsn.data.split import checked_images
from ncsn.export.card import card_text
from ncsn.export.config import (
    CARD,
    CONFIG,
    FORMAT,
    SAMPLES,
    WEIGHTS,
    ExportConfig,
    Provenance,
    write_config,
)
from ncsn.export.picture import square_grid
from ncsn.runtime.dag import RESULT_STAGES
from ncsn.runtime.provenance import outdated
from ncsn.train.checkpoint import Checkpoint, load_checkpoint

NUM_SHOWN = 64  # samples on the card
_PACKAGES = ("torch", "numpy", "torch-fidelity")


def write_export(folder: str | Path, params: ProjectParams, checkpoint: str | Path) -> str | None:
    """Writes the averaged weights of a checkpoint, with all that is needed to use them elsewhere.

    Metrics and samples come along where they are of this checkpoint under the present params.

    Args:
        folder: made, or replaced where an export wrote it.
        params: with the sections paths, data, noise, sampler and sample.
        checkpoint: its file.

    Returns:
        Why the card has no metrics, None where it has them.

    Raises:
        Missing: there is no such checkpoint.
        UserError: it cannot be read, was not trained for the ladder of the params, or `folder`
            holds something that no export wrote.
    """
    saved = load_checkpoint(checkpoint)
    build_trained_net(saved.params, saved.image_shape, saved.ema, build_sigmas(params.noise))
    without = why_without_metrics(params, checkpoint)
    metrics = _metrics(params) if without is None else {}
    with whole_folder(folder) as partial:
        tensors = {name: value.contiguous() for name, value in saved.ema.items()}
        (partial / WEIGHTS).write_bytes(save(tensors, {"format": "pt"}))
        config = _config(saved, params, file_sha256(partial / WEIGHTS))
        write_config(partial / CONFIG, config)
        if without is None:
            images = checked_images(read_npz(params.paths.samples), "arr_0", params.paths.samples)
            Image.fromarray(square_grid(images[:NUM_SHOWN])).save(partial / SAMPLES)
        num_weights = sum(tensor.numel() for tensor in tensors.values())
        (partial / CARD).write_text(card_text(config, metrics, num_weights), encoding="utf-8")
    return without


def why_without_metrics(params: ProjectParams, checkpoint: str | Path) -> str | None:
    """Returns why the project's metrics are not those of a checkpoint, None where they are."""
    own = params.paths.checkpoint
    if Path(checkpoint).resolve() != Path(own).resolve():
        return f"{checkpoint} is not {own}, of which the metrics are"
    return outdated(RESULT_STAGES)


def _metrics(params: ProjectParams) -> dict[str, float | str]:
    """All numbers with their conditions; those of the exact score where they were measured."""
    metrics = read_metrics(params.paths.metrics)
    return metrics | read_metrics(params.paths.oracle_metrics)


def _config(saved: Checkpoint, params: ProjectParams, sha256: str) -> ExportConfig:
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    commit = git_commit()
    values: dict[str, Any] = {
        "format": FORMAT,
        "data": params.data.name,
        "image_shape": saved.image_shape,
        "step": saved.step,
        "weights_sha256": sha256,
        "trained_noise": saved.params["noise"],
        "model": saved.params["model"],
        "train": saved.params["train"],
        "noise": params.noise,
        "sampler": params.sampler,
        "sample": params.sample,
        "made": Provenance(
            commit=commit,
            changed=commit is not None and is_changed(),
            versions={"python": platform.python_version(), **versions},
        ),
    }
    return ExportConfig.model_validate(values)

"""Reads an export: the network with its ladder and its sampler, without params.yaml."""

from pathlib import Path

import safetensors
from safetensors.torch import load
from torch import Tensor

from ncsn.base.errors import UserError
from ncsn.base.files import file_sha256
from ncsn.base.reading import read_bytes
from ncsn.builders.score_net import build_sigmas, build_trained_net
from ncsn.export.config import AGAIN, WEIGHTS, read_config
from ncsn.export.trained import Trained, trained_from_checkpoint


def load_export(folder: str | Path) -> Trained:
    """Returns the network of an export, on the CPU, ready to give scores and to draw.

    Raises:
        Missing: a file is not there.
        UserError: a file cannot be read, the weights are not those that were exported, or they do
            not fit the network that config.json describes.
    """
    folder = Path(folder)
    config = read_config(folder)
    weights = _weights(folder / WEIGHTS, config.weights_sha256)
    sigmas, shape = build_sigmas(config.noise), config.image_shape
    try:
        net = build_trained_net(config.described(), shape, weights, sigmas)
    except UserError:  # names the files of a project
        rule = "config.json describes another network, or another ladder, than its weights"
        raise UserError(f"{folder}: {rule}; {AGAIN}") from None
    return Trained(net, sigmas, shape, config.sampler, config.sample)


def load_trained(path: str | Path) -> Trained:
    """Returns the network of an export, a folder, or of a checkpoint, a file of the pipeline."""
    return load_export(path) if Path(path).is_dir() else trained_from_checkpoint(path)


def _weights(path: Path, sha256: str) -> dict[str, Tensor]:
    content = read_bytes(path, None)
    if file_sha256(path) != sha256:
        raise UserError(f"{path}: is not the file that was exported, or is damaged; {AGAIN}")
    try:
        return load(content)
    except safetensors.SafetensorError as error:
        raise UserError(f"{path}: is no file of safetensors ({error}); {AGAIN}") from None

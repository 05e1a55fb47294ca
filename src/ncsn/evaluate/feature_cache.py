"""Features that were computed before: the same images through the same extractor cost nothing.

Inception takes a tenth of a second of a core for each image, which is more than all metrics of a
study's point together. Its features are kept in the folder of unfinished work, in blocks that are
known by all that decides them: the images, the weights, the layers, the kind of device, the code
and the libraries. The folder is safe to delete. What was used longest ago goes first when it has
grown beyond MAX_BYTES.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from ncsn.base.errors import UserError
from ncsn.base.files import file_sha256, read_npz, write_npz
from ncsn.base.marked import mark_folder, refuse_foreign
from ncsn.config.params import ReferenceParams
from ncsn.evaluate import torch_fidelity
from ncsn.evaluate.inception import inception_weights
from ncsn.evaluate.torch_fidelity import INCEPTION, extract_features, metric_layers
from ncsn.runtime.fingerprints import code_hash
from ncsn.runtime.ranks import Ranks
from ncsn.runtime.unfinished import SHARED_WORK

FOLDER = "features"  # in the folder of unfinished work
BLOCK = 500  # images in a file: whole batches of Inception, so that blocks move no digit
MAX_BYTES = 2 * 10**9  # features of 600,000 images at layer 768
_LIBRARIES = ("torch", "torch-fidelity")


def cached_features(
    images: np.ndarray,
    extractor: str,
    layers: Sequence[str],
    weights_path: str | Path,
    device: torch.device,
    work: str | Path | None,
) -> dict[str, torch.Tensor]:
    """Returns what `extract_features` does, from the files of earlier calls where they are there.

    Only Inception's features are kept: the classifier takes no longer than reading them would. An
    interrupted call goes on after its last block.

    Args:
        images: uint8 (N,H,W,C).
        extractor: as in `extract_features`.
        layers: as there.
        weights_path: as there.
        device: as there.
        work: `paths.work` of dvc.yaml; NCSN_WORK in the environment wins. None keeps nothing.

    Raises:
        UserError: a folder of the cache's name is there, and was not made here.
    """
    if work is None or extractor != INCEPTION or len(images) == 0:
        return extract_features(images, extractor, layers, weights_path, device)
    folder = Path(os.environ.get(SHARED_WORK) or work) / FOLDER
    refuse_foreign(folder)
    folder.mkdir(parents=True, exist_ok=True)
    mark_folder(folder)
    deciding = _deciding(extractor, layers, weights_path, device)
    parts = []
    for block in _blocks(images):
        path = folder / f"{_content(block, deciding)}.npz"
        found = _read(path, layers, len(block))
        if found is None:
            found = extract_features(block, extractor, layers, weights_path, device)
            write_npz(path, **{layer: found[layer].numpy() for layer in layers})
            _shrink(folder, keep=path)
        parts.append(found)
    return {layer: torch.cat([part[layer] for part in parts]) for layer in layers}


def share_features(
    images: Iterable[np.ndarray], params: ReferenceParams, ranks: Ranks, work: str | Path
) -> None:
    """Deals Inception's features of real images to all ranks, of which the first then goes on.

    They go into the files from which the reference takes them. The classifier is trained and
    asked by one rank alone: it takes seconds.

    Args:
        images: those of each split, uint8 (N,H,W,C).
        params: the section reference.
        ranks: those that share the work; all but the first end here.
        work: as in `cached_features`, one folder for all ranks.
    """
    if params.extractor == INCEPTION and ranks.size > 1:
        if ranks.is_first:
            inception_weights(params.weights_path)  # which may download them
        ranks.wait()
        weights = inception_weights(params.weights_path)
        layer = metric_layers(INCEPTION, params.feature_layer).features
        for split in images:
            for block in ranks.dealt(_blocks(split)):
                cached_features(block, INCEPTION, [layer], weights, ranks.device, work)
    ranks.only_first_goes_on()


def _blocks(images: np.ndarray) -> list[np.ndarray]:
    return [images[start : start + BLOCK] for start in range(0, len(images), BLOCK)]


def _deciding(
    extractor: str, layers: Sequence[str], weights_path: str | Path, device: torch.device
) -> str:
    """All that decides the features of an image but the image."""
    code = code_hash(Path(torch_fidelity.__file__).read_text(encoding="utf-8"))
    libraries = [f"{name} {version(name)}" for name in _LIBRARIES]
    return repr([extractor, *layers, file_sha256(weights_path), device.type, code, *libraries])


def _content(images: np.ndarray, deciding: str) -> str:
    sha = hashlib.sha256(f"{deciding} {images.dtype} {images.shape}".encode())
    sha.update(np.ascontiguousarray(images).data)
    return sha.hexdigest()[:32]


def _read(path: Path, layers: Sequence[str], count: int) -> dict[str, torch.Tensor] | None:
    """The features of a block; None where they are not there, or not whole."""
    try:
        arrays = read_npz(path)
        os.utime(path)  # used now
    except (UserError, OSError):  # another process may have removed it just now
        return None
    found = {layer: arrays[layer] for layer in layers if layer in arrays}
    if len(found) < len(layers) or any(
        value.dtype != np.float32 or value.ndim != 2 or len(value) != count
        for value in found.values()
    ):
        return None
    return {layer: torch.from_numpy(value) for layer, value in found.items()}


def _shrink(folder: Path, keep: Path) -> None:
    """Removes what was used longest ago until the rest is small enough."""
    files = []
    for path in folder.glob("*.npz"):
        with contextlib.suppress(FileNotFoundError):  # another process shrinks too
            status = path.stat()
            files.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= MAX_BYTES:
            return
        if path != keep:
            path.unlink(missing_ok=True)
            total -= size

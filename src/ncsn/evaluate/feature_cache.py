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
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from ncsn.base.errors import UserError
from ncsn.base.files import file_sha256, read_npz, write_npz
from ncsn.base.marked import mark_folder, refuse_foreign
from ncsn.evaluate import torch_fidelity
from ncsn.evaluate.torch_fidelity import INCEPTION, extract_features
from ncsn.runtime.fingerprints import code_hash
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
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        path = folder / f"{_content(block, deciding)}.npz"
        found = _read(path, layers, len(block))
        if found is None:
            found = extract_features(block, extractor, layers, weights_path, device)
            write_npz(path, **{layer: found[layer].numpy() for layer in layers})
            _shrink(folder, keep=path)
        parts.append(found)
    return {layer: torch.cat([part[layer] for part in parts]) for layer in layers}


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

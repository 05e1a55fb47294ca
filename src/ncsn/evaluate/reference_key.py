"""The key of the reference folder: what it was made from, and the hashes of what it holds."""

import hashlib
from pathlib import Path
from typing import Any

from ncsn.base.reading import opened
from ncsn.config.params import ReferenceParams
from ncsn.data.split import Split, split_sha256
from ncsn.evaluate.torch_fidelity import CLASSIFIER, INCEPTION

ARRAYS, KEY = "reference.npz", "extractor.json"
OTHER_FEATURES = "{}_features.npz"  # by the split that is not the reference
OTHER_SPLIT = {"train": "test", "test": "train"}
WEIGHTS = {CLASSIFIER: "classifier.pt", INCEPTION: "inception.pt"}


def key_of(
    folder: Path, params: ReferenceParams, seed: int, real: Split, other: Split
) -> dict[str, Any]:
    """Returns the content of `extractor.json`: what the folder was made from, and its hashes.

    Args:
        folder: holds all the other files.
        params: the folder was made with.
        seed: of the classifier.
        real: the reference split.
        other: the other one.
    """
    files = hashed_files(folder, folder / WEIGHTS[params.extractor])
    return {
        **deciding_params(params, seed),
        "num_images": len(real.images),
        "image_shape": list(real.images.shape[1:]),
        "data_sha256": split_sha256(real),
        **{name: file_sha256(file) for name, file in files.items()},
        **other_key(folder, params.split, split_sha256(other)),
    }


def other_file(reference_split: str) -> str:
    """Returns the name of the file of the other split's features."""
    return OTHER_FEATURES.format(OTHER_SPLIT[reference_split])


def other_key(folder: Path, reference_split: str, data_sha256: str) -> dict[str, str]:
    """Returns the entries of the key that are about the other split."""
    name = OTHER_SPLIT[reference_split]
    features_sha256 = file_sha256(folder / other_file(reference_split))
    return {f"{name}_data_sha256": data_sha256, f"{name}_features_sha256": features_sha256}


def deciding_params(params: ReferenceParams, seed: int) -> dict[str, Any]:
    """Returns the params that decide the folder; the path of the weights decides nothing."""
    return {**params.model_dump(exclude={"weights_path"}), "seed": seed}


def hashed_files(folder: Path, weights: Path) -> dict[str, Path]:
    """Returns the files whose hashes the key has, by its entries."""
    return {"weights_sha256": weights, "arrays_sha256": folder / ARRAYS}


def file_sha256(path: Path) -> str:
    """Returns the hash of a file of the folder; a missing one is a UserError with the remedy."""
    with opened(path, "`dvc repro --force reference`") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

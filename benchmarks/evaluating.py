"""Stages `reference` and `evaluate` beside torch-fidelity called the plain way.

Ours extracts the features of the real images once and reads them afterwards; the plain way,
torch-fidelity's `calculate_metrics` on two sets of images, extracts both sides for every set of
samples. The network is the same, so are the numbers.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from ways import Size, Work

from ncsn.config.params import EvaluateParams, ReferenceParams
from ncsn.data.split import Split, split_sha256
from ncsn.evaluate.evaluation import evaluate_images
from ncsn.evaluate.reference import read_reference
from ncsn.evaluate.torch_fidelity import CLASSIFIER, INCEPTION, RGBImages, torch_fidelity
from ncsn.evaluate.write_reference import write_reference

NUM_REAL, NUM_GENERATED = 400, 400
EVALUATE = EvaluateParams(  # without what torch-fidelity does not give
    kid_subset_size=100,
    kid_subsets=100,
    prc_neighborhood=3,
    error_groups=0,
    floor_subsets=0,
    floor_images=None,
)


def evaluation_works(
    size: Size, device: torch.device, inception: str | None
) -> dict[str, Work] | None:
    """Returns both ways of measuring one set of samples; a unit is a generated image.

    None for colour images without weights of Inception.
    """
    if size.image_shape[0] == 3 and inception is None:
        return None
    channels, height, width = size.image_shape
    rng = np.random.default_rng(0)
    shape = (NUM_REAL, height, width, channels)
    real, other, generated = (rng.integers(256, size=shape, dtype=np.uint8) for _ in range(3))
    labels = np.arange(NUM_REAL) % 10
    split = Split(real, labels)
    params = ReferenceParams(
        extractor=INCEPTION if channels == 3 else CLASSIFIER,
        feature_layer="768" if channels == 3 else "128",
        weights_path=inception,
        split="test",
        classifier_steps=20,
        pixel_frechet=False,
    )
    kept = tempfile.TemporaryDirectory()
    folder = Path(kept.name) / "reference"
    write_reference(folder, Split(other, labels), split, params, 1, device)
    summary = {"test": {"sha256": split_sha256(split)}}

    def ours(kept: object = kept) -> float:  # the folder lives as long as this function
        reference = read_reference(folder, params, 1, summary)
        evaluate_images(generated, reference, real, EVALUATE, 1, device)
        return NUM_GENERATED

    weights = next(folder.glob("*.pt"))

    def plain() -> float:
        torch_fidelity.calculate_metrics(
            input1=RGBImages(generated),
            input2=RGBImages(real),
            cuda=device.type == "cuda",
            batch_size=50,
            fid=True,
            kid=True,
            prc=True,
            isc=channels == 1,
            feature_extractor=params.extractor,
            feature_extractor_weights_path=str(weights),
            feature_layer_fid=params.feature_layer,
            feature_layer_kid=params.feature_layer,
            feature_layer_prc=params.feature_layer,
            kid_subset_size=EVALUATE.kid_subset_size,
            save_cpu_ram=True,
            verbose=False,
            cache=False,
        )
        return NUM_GENERATED

    return {"plain": plain, "ours": ours}

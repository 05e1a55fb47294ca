"""Section `reference`: the real images of the evaluation, and what their features are."""

from typing import Literal, Self

from pydantic import model_validator

from ncsn.config.sections.kinds import Line, Section, Steps

_LAYERS = {
    "classifier": ("128",),
    "inception-v3-compat": ("64", "192", "768", "2048"),
}


class ReferenceParams(Section):
    """The real side of the evaluation: feature extractor and reference split."""

    extractor: Literal["classifier", "inception-v3-compat"]
    """What turns images into features: `classifier` is a small one trained on the labelled
    training images; `inception-v3-compat` is Inception-v3 with the weights of the published FIDs,
    which the paper reports for CIFAR-10."""

    feature_layer: Literal["64", "192", "768", "2048", "128"]
    """Number of features, which names the layer: 128 for `classifier`; 64, 192, 768 or 2048 for
    `inception-v3-compat`. Published FIDs, the paper's too, take 2048."""

    weights_path: Line | None
    """A state dict of torch-fidelity's Inception-v3; null downloads it. `classifier` does not read
    it."""

    split: Literal["train", "test"]
    """The images that generated ones are compared with. NCSNv2 compares CIFAR-10 with `train` and
    CelebA with `test`."""

    classifier_steps: Steps
    """Adam steps of the classifier's training, 1 to 100,000,000."""

    pixel_frechet: bool
    """Whether `evaluate` also gives a Frechet distance on raw pixels, of images with at most 4096
    numbers each."""

    @model_validator(mode="after")
    def _layer_of_extractor(self) -> Self:
        layers = _LAYERS[self.extractor]
        if self.feature_layer not in layers:
            rule = f"must be one of {', '.join(layers)} for '{self.extractor}'"
            raise ValueError(f"feature_layer: {rule}")
        return self

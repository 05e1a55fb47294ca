"""Checks that the classifier of the section reference can be trained on the labels of the images.

It may be trained a day after `prepare`, beside the score network, so its rule is checked as soon
as the labels are known.
"""

import numpy as np

from ncsn.base.errors import UserError

CLASSIFIER = "classifier"  # value of reference.extractor
MAX_CLASSES = 1000  # those of ImageNet; beyond, labels are ids or measurements
_OTHERWISE = (
    "or set reference.extractor to 'inception-v3-compat' and reference.feature_layer to one of "
    "its layers"
)
_RENUMBER = "renumber both splits together with np.unique(labels, return_inverse=True)[1]"


def check_labels(extractor: str, train: np.ndarray | None, test: np.ndarray | None) -> None:
    """Raises a UserError if the feature extractor cannot be trained on these labels.

    Args:
        extractor: value of reference.extractor; only the classifier needs labels.
        train: class of each training image, (N,) integers, or None.
        test: class of each held-out image, in the same form.

    Raises:
        UserError: a split has no labels, or they are not the classes 0 to K-1, 2 <= K <= 1000,
            each with at least one image in the train split.
    """
    if extractor != CLASSIFIER:
        return
    num_classes = class_count(train)
    largest = int(_valid(test, "test").max())
    if largest >= num_classes:
        raise UserError(
            f"labels of the test split: class {largest} is not among the {num_classes} classes of "
            f"the train split; {_RENUMBER}, {_OTHERWISE}"
        )


def class_count(train: np.ndarray | None) -> int:
    """Returns the number of classes K of a train split; raises what `check_labels` raises."""
    found = np.unique(_valid(train, "train"))
    if len(found) < 2:
        raise UserError(
            "labels of the train split: a classifier needs at least 2 classes, found only class "
            f"{found[0]}; add images of another class, {_OTHERWISE}"
        )
    gaps = np.setdiff1d(np.arange(found[-1] + 1), found)
    if len(gaps):
        raise UserError(
            f"labels of the train split: class {gaps[0]} of 0 to {found[-1]} has no image; raise "
            f"data.num_train if it is set, {_RENUMBER}, {_OTHERWISE}"
        )
    return len(found)


def _valid(labels: np.ndarray | None, split: str) -> np.ndarray:
    """The labels, once they exist and lie within 0 to 999."""
    if labels is None:
        raise UserError(
            f"reference.extractor (value '{CLASSIFIER}'): needs labels, and the {split} split has "
            f"none; give them (class folders, or y_train and y_test), {_OTHERWISE}"
        )
    outside = (labels < 0) | (labels >= MAX_CLASSES)
    if outside.any():
        raise UserError(
            f"labels of the {split} split: must be 0 to K-1 for K classes, at most {MAX_CLASSES}, "
            f"found {labels[outside][0]} at image {int(outside.argmax())}; {_RENUMBER}, "
            f"{_OTHERWISE}"
        )
    return labels

"""Section `data`: which images, and how `prepare` crops, resizes and splits them."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ncsn.config.sections.kinds import CropSize, DataImages, ImageSize, Line, Section


class DataParams(Section):
    """Which images, and how `prepare` makes them."""

    name: Literal["digits", "mnist", "fashion_mnist", "cifar10", "celeba", "npz", "folder"]
    """The data set. The paper uses MNIST, CIFAR-10 and CelebA; `npz` and `folder` are the user's
    own, `digits` comes with scikit-learn and needs no download."""

    root: Line
    """Folder of public data sets: files found here are used, downloads land here."""

    path: Line | None
    """The user's data: an archive for `npz`, a folder of images for `folder` and `celeba`; null
    for the others, which do not read it."""

    mirrors: Annotated[tuple[Line, ...], Field(strict=False, max_length=100)]
    """https addresses of folders with the files of a public data set, tried in this order and
    before the data set's own; at most 100."""

    center_crop: CropSize | None
    """Side in pixels of the square cut from the middle of each image, 1 to 65,535; null cuts
    nothing. The paper cuts 140 from CelebA."""

    image_size: ImageSize | None
    """Side in pixels after resizing, 8 to 1024; null keeps the size. The paper has 28 for MNIST
    and 32 for CIFAR-10 and CelebA."""

    test_fraction: Annotated[float, Field(gt=0, lt=1)]
    """Share of the images held out where the source has no test split, between 0 and 1."""

    num_train: DataImages | None
    """Number of training images, drawn with `base.seed`, at least 2; null takes all."""

    num_test: DataImages | None
    """Number of held-out images, drawn with `base.seed`, at least 2; null takes all."""

    @model_validator(mode="after")
    def _path_where_needed(self) -> Self:
        if self.name in ("npz", "folder", "celeba") and self.path is None:
            raise ValueError(f"path: must be set for data.name '{self.name}'")
        return self

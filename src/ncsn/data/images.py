"""Images of a source as a list that reads one at a time, and their cropping and resizing.

A folder of photographs may be larger than memory, so each image is read only when it is needed,
and is cropped and resized at once.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from ncsn.base.errors import UserError
from ncsn.data.remarks import Remarks
from ncsn.data.split import Split


class ImageList(NamedTuple):
    """Images that are read one at a time, on demand.

    Attributes:
        num_images: how many there are.
        image: reads image i, uint8, shape (H, W, C); sizes may differ between images.
        name: names image i in messages.
        labels: class of each image, int64, shape (num_images,), or None.
    """

    num_images: int
    image: Callable[[int], np.ndarray]
    name: Callable[[int], str]
    labels: np.ndarray | None


class RawSplits(NamedTuple):
    """Images of a source; `test` is None where data.test_fraction decides what is held out.

    `remarks` grow while the images are read.
    """

    train: ImageList
    test: ImageList | None
    remarks: Remarks


def array_images(split: Split, origin: str) -> ImageList:
    """Returns a split that lies in memory as an ImageList; `origin` names its file in messages."""
    return ImageList(
        len(split.images),
        lambda index: split.images[index],
        lambda index: f"{origin}, image {index}",
        split.labels,
    )


def fitted_split(
    images: ImageList, indices: np.ndarray, center_crop: int | None, image_size: int | None
) -> Split:
    """Reads the images `indices`, crops and resizes each, and stacks them.

    Args:
        images: all images of the source.
        indices: which images, int64, shape (N,), N >= 1.
        center_crop: side of the central square in pixels; None keeps the whole image.
        image_size: side after resizing in pixels; None keeps the size.

    Returns:
        The images in the order of `indices`, with their labels.

    Raises:
        UserError: a crop larger than an image, a resize of an image that is not square, or sizes
            that differ between images.
    """
    stack: np.ndarray | None = None
    for row, index in enumerate(tqdm(indices.tolist(), unit="image", delay=2, disable=None)):
        name = images.name(index)
        image = fitted(images.image(index), center_crop, image_size, name)
        if stack is None:
            first, stack = name, np.empty((len(indices), *image.shape), np.uint8)
        if image.shape != stack.shape[1:]:
            raise UserError(
                f"{name} is {size_text(image.shape)}, but {first} is "
                f"{size_text(stack.shape[1:])}; set data.center_crop and data.image_size so that "
                "all images get one size"
            )
        stack[row] = image
    assert stack is not None
    return Split(stack, None if images.labels is None else images.labels[indices])


def fitted(
    image: np.ndarray, center_crop: int | None, image_size: int | None, name: str
) -> np.ndarray:
    """Crops the central square and resizes it, with Pillow's bilinear filter.

    Pillow widens the filter with the reduction, so that every pixel of the source counts
    (antialiasing). Bilinear is what the released code of NCSN applies to CelebA, and unlike
    bicubic it makes no values beyond those of its neighbours. The smaller part of an odd margin
    is cut at the top and left.

    Args:
        image: uint8, shape (H, W, C), C 1 or 3.
        center_crop: side in pixels, or None.
        image_size: side in pixels, or None.
        name: names the image in messages.

    Returns:
        uint8, shape (image_size, image_size, C) where image_size is given.

    Raises:
        UserError: the crop is larger than the image, or a resize would distort it.
    """
    image = image if center_crop is None else _cropped(image, center_crop, name)
    if image_size is None or image.shape[:2] == (image_size, image_size):
        return image
    if image.shape[0] != image.shape[1]:
        raise UserError(
            f"data.image_size (value {image_size}): {name} is {size_text(image.shape)}, not "
            f"square; set data.center_crop to {min(image.shape[:2])} or less"
        )
    grey = image.shape[2] == 1
    resized = Image.fromarray(np.ascontiguousarray(image[..., 0] if grey else image)).resize(
        (image_size, image_size), Image.Resampling.BILINEAR
    )
    return np.asarray(resized).reshape(image_size, image_size, image.shape[2])


def _cropped(image: np.ndarray, center_crop: int, name: str) -> np.ndarray:
    height, width = image.shape[:2]
    if center_crop > min(height, width):
        raise UserError(
            f"data.center_crop (value {center_crop}): {name} is only {size_text(image.shape)}; "
            f"the largest crop is {min(height, width)}"
        )
    top, left = (height - center_crop) // 2, (width - center_crop) // 2
    return image[top : top + center_crop, left : left + center_crop]


def size_text(shape: tuple[int, ...]) -> str:
    """Returns height, width and channels for a message.

    >>> size_text((28, 28, 1))
    '28x28x1'
    """
    return "x".join(map(str, shape))

import numpy as np
import pytest

from ncsn.base.errors import UserError
from ncsn.data.images import array_images, fitted, fitted_split
from ncsn.data.split import Split


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_crop_keeps_the_centre(channels: int) -> None:
    image = noise(218, 178, channels)
    np.testing.assert_array_equal(fitted(image, 140, None, "a"), image[39:179, 19:159])


def test_the_smaller_part_of_an_odd_margin_is_cut_at_the_top_and_left() -> None:
    image = noise(9, 8, 1)
    np.testing.assert_array_equal(fitted(image, 4, None, "a"), image[2:6, 2:6])
    np.testing.assert_array_equal(fitted(image, 5, None, "a"), image[2:7, 1:6])


@pytest.mark.parametrize("channels", [1, 3])
def test_resize_keeps_constants_and_means(channels: int) -> None:
    constant = np.full((140, 140, channels), 77, np.uint8)
    np.testing.assert_array_equal(fitted(constant, None, 32, "a"), constant[:32, :32])
    image = noise(140, 140, channels)
    small = fitted(image, None, 32, "a")
    assert small.shape == (32, 32, channels) and small.dtype == np.uint8
    assert abs(small.mean() - image.mean()) < 2


@pytest.mark.parametrize("size", [8, 12, 40])
def test_resizing_makes_no_values_beyond_those_of_the_image(size: int) -> None:
    """Bicubic weights are negative in part, and overshoot beside an edge."""
    image = np.full((20, 20, 1), 100, np.uint8)
    image[:, 10:] = 150
    found = fitted(image, None, size, "a")
    assert found.min() == 100 and found.max() == 150


def test_reducing_looks_at_every_pixel() -> None:
    """Without antialiasing, single rows fall between the samples and vanish."""
    for row in range(64):
        image = np.zeros((64, 64, 1), np.uint8)
        image[row] = 255
        assert fitted(image, None, 8, "a").any(), row


def test_the_size_it_has_is_left_alone() -> None:
    image = noise(32, 32, 3)
    assert fitted(image, 32, 32, "a") is not None
    np.testing.assert_array_equal(fitted(image, 32, 32, "a"), image)


def test_crops_and_resizes_that_cannot_be() -> None:
    with pytest.raises(UserError, match=r"center_crop \(value 29\): a.png is only 30x28x3"):
        fitted(noise(30, 28, 3), 29, None, "a.png")
    with pytest.raises(UserError, match="not square; set data.center_crop to 28 or less"):
        fitted(noise(30, 28, 3), None, 8, "a.png")


def test_chosen_images_come_with_their_labels() -> None:
    images = array_images(Split(noise(9, 8, 8, 1), np.arange(9)), "here")
    split = fitted_split(images, np.array([7, 2, 2]), None, None)
    assert split.labels.tolist() == [7, 2, 2]
    np.testing.assert_array_equal(split.images[0], images.image(7))
    assert fitted_split(images._replace(labels=None), np.array([1]), 4, 8).labels is None


def test_sizes_must_agree() -> None:
    pair = [noise(8, 8, 1), noise(9, 9, 1)]
    images = array_images(Split(noise(2, 8, 8, 1), None), "here")._replace(image=pair.__getitem__)
    with pytest.raises(UserError, match="image 1 is 9x9x1, but here, image 0 is 8x8x1"):
        fitted_split(images, np.arange(2), None, None)
    assert fitted_split(images, np.arange(2), None, 8).images.shape == (2, 8, 8, 1)
    assert fitted_split(images, np.arange(2), 8, None).images.shape == (2, 8, 8, 1)

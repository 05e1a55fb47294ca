"""Images in a grid are magnified whole, in their order."""

import numpy as np
import pytest

from ncsn.base.image_grid import image_grid


@pytest.mark.parametrize(("scale", "gap", "channels"), [(1, 0, 1), (2, 1, 3), (3, 0, 4)])
def test_every_image_stands_in_its_place_and_the_rest_is_empty(scale, gap, channels) -> None:
    images = np.random.default_rng(0).integers(0, 200, (5, 4, 3, channels), dtype=np.uint8)
    picture = image_grid(images, 3, scale, gap=gap, empty=201)
    down, across = 4 * scale + gap, 3 * scale + gap
    assert picture.shape == (2 * down - gap, 3 * across - gap, channels)
    rest = np.ones(picture.shape, bool)
    for number, image in enumerate(images):
        top, left = number // 3 * down, number % 3 * across
        place = np.s_[top : top + 4 * scale, left : left + 3 * scale]
        rest[place] = False
        for y in range(scale):
            for x in range(scale):
                np.testing.assert_array_equal(picture[place][y::scale, x::scale], image)
    assert (picture[rest] == 201).all()

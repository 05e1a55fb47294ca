"""Nearest training images: exact, in order, and the pixels themselves in the picture."""

import io

import numpy as np
from PIL import Image

from ncsn.report import neighbours
from ncsn.report.figures import png_bytes
from ncsn.report.grids import CELL_PX, NEIGHBOUR_GAP_PX, plot_neighbours, tiled
from ncsn.report.neighbours import nearest_images


def test_neighbours_are_those_of_all_whole_number_distances(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 5, 4, 3), dtype=np.uint8)
    samples = rng.integers(0, 256, (3, 5, 4, 3), dtype=np.uint8)
    difference = samples[:, None].astype(np.int64) - images.astype(np.int64)
    expected = np.argsort((difference**2).sum((2, 3, 4)), axis=1, kind="stable")[:, :9]
    for chunk in (7, 50, 4096):
        monkeypatch.setattr(neighbours, "CHUNK", chunk)
        np.testing.assert_array_equal(nearest_images(samples, images, 9), expected)


def test_a_copied_image_is_found_first_and_equal_ones_keep_their_order() -> None:
    images = np.random.default_rng(1).integers(0, 256, (20, 4, 4, 1), dtype=np.uint8)
    images[13] = images[4]
    np.testing.assert_array_equal(nearest_images(images[13:14], images, 2), [[4, 13]])


def test_a_mirrored_image_is_not_its_own_neighbour() -> None:
    images = np.zeros((2, 2, 2, 1), dtype=np.uint8)
    images[0, :, 0], images[1] = 255, 100
    assert nearest_images(images[:1, :, ::-1], images, 1) == [[1]]


def test_fewer_images_than_asked_for_are_all_returned() -> None:
    images = np.zeros((3, 2, 2, 1), dtype=np.uint8)
    assert nearest_images(images, images, 9).shape == (3, 3)


def test_the_picture_holds_sample_gap_and_neighbours() -> None:
    rng = np.random.default_rng(2)
    samples = rng.integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    others = rng.integers(0, 256, (3, 2, 8, 8, 1), dtype=np.uint8)
    picture = np.asarray(Image.open(io.BytesIO(png_bytes(plot_neighbours(samples, others)))))
    side = 8 * (CELL_PX // 8)
    np.testing.assert_array_equal(picture[:side, :side], tiled(samples[:1], 1, side // 8))
    assert (picture[:, side : side + NEIGHBOUR_GAP_PX, 3] == 0).all()
    last = picture[-side:, -side:]
    np.testing.assert_array_equal(last, tiled(others[2, 1:], 1, side // 8))

"""Pictures of images show the pixels themselves."""

import io

import numpy as np
import pytest
from PIL import Image

from ncsn.base.chart_style import png_bytes
from ncsn.report.grids import (
    CELL_PX,
    GAP_PX,
    GROUP_GAP_PX,
    HEADER_PX,
    HIDDEN,
    LEFT_PX,
    MAX_STATES,
    NARROW_CELL_PX,
    plot_annealing,
    plot_images,
    plot_inpainting,
    plot_neighbours,
    transparent_grid,
)


def decoded(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_tiles_are_whole_magnifications_with_transparent_gaps() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 3, 1), dtype=np.uint8)
    canvas = transparent_grid(images, num_columns=3, scale=2)
    assert canvas.shape == (2 * 8 + 2, 3 * 6 + 4, 4)
    fifth = canvas[10:18, 8:14]
    for dy in range(2):
        for dx in range(2):
            np.testing.assert_array_equal(fifth[dy::2, dx::2, :3], images[4].repeat(3, axis=2))
    assert (canvas[8:10] == 0).all() and (canvas[10:, 14:] == 0).all()


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (32, 3), (64, 3)])
def test_a_grid_png_holds_exactly_the_pixels(size: int, channels: int) -> None:
    rng = np.random.default_rng(1)
    images = rng.integers(100, 121, (10, size, size, channels), dtype=np.uint8)  # low contrast
    picture = decoded(png_bytes(plot_images(images)))
    scale = (picture.shape[1] + GAP_PX) // 4 // size
    expected = transparent_grid(images, 4, scale)
    opaque = expected[..., 3] == 255
    np.testing.assert_array_equal(picture[..., 3], expected[..., 3])
    np.testing.assert_array_equal(picture[opaque], expected[opaque])


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_a_grid_of_any_count_is_drawn(count: int) -> None:
    images = np.zeros((count, 8, 8, 1), dtype=np.uint8)
    opaque = decoded(png_bytes(plot_images(images)))[..., 3] == 255
    side = 8 * max(1, round(580 / (int(np.ceil(np.sqrt(count))) * 8)))
    assert opaque.sum() == count * side**2


@pytest.mark.parametrize("num_levels", [1, 10, 232])
def test_the_annealing_ends_with_the_samples(num_levels: int) -> None:
    sigmas = np.array([0, *np.geomspace(50, 0.01, num_levels)])
    shape = (num_levels + 1, 4, 8, 8, 1)
    states = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    figure = plot_annealing(states, sigmas)
    labels = [text.get_text() for text in figure.texts]
    assert labels[:3] == ["σ", "start", "50"] and labels[-1] == f"{sigmas[-1]:.3g}"
    assert len(labels) == 1 + min(num_levels + 1, MAX_STATES)
    picture = decoded(png_bytes(figure))[HEADER_PX:, LEFT_PX:]
    side = 8 * (CELL_PX // 8)
    np.testing.assert_array_equal(
        picture[:side, -side:], transparent_grid(states[-1, :1], 1, side // 8)
    )
    np.testing.assert_array_equal(
        picture[-side:, :side], transparent_grid(states[0, -1:], 1, side // 8)
    )


def test_a_denoised_end_is_named() -> None:
    states = np.zeros((3, 2, 8, 8, 1), dtype=np.uint8)
    labels = [text.get_text() for text in plot_annealing(states, np.array([0, 0.5, 0])).texts]
    assert labels == ["σ", "start", "0.5", "denoised"]


def test_neighbours_stand_behind_a_gap_in_the_row_of_their_sample() -> None:
    rng = np.random.default_rng(2)
    samples = rng.integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    others = rng.integers(0, 256, (3, 2, 8, 8, 1), dtype=np.uint8)
    picture = decoded(png_bytes(plot_neighbours(samples, others)))
    side = 8 * (NARROW_CELL_PX // 8)
    np.testing.assert_array_equal(
        picture[:side, :side], transparent_grid(samples[:1], 1, side // 8)
    )
    assert (picture[:, side : side + GROUP_GAP_PX, 3] == 0).all()
    last = picture[-side:, -side:]
    np.testing.assert_array_equal(last, transparent_grid(others[2, 1:], 1, side // 8))


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (32, 3)])
def test_inpainting_shows_the_original_what_was_given_and_the_completions(
    size: int, channels: int
) -> None:
    rng = np.random.default_rng(3)
    originals = rng.integers(0, 256, (2, size, size, channels), dtype=np.uint8)
    completions = rng.integers(0, 256, (2, 3, size, size, channels), dtype=np.uint8)
    known = np.zeros((size, size), dtype=bool)
    known[:, : size // 2] = True
    picture = decoded(png_bytes(plot_inpainting(originals, known, completions)))
    scale = NARROW_CELL_PX // size
    side = size * scale
    np.testing.assert_array_equal(picture[:side, :side], transparent_grid(originals[:1], 1, scale))
    given = picture[:side, side + GAP_PX :][:, :side]
    half = side // 2
    np.testing.assert_array_equal(given[:, :half], picture[:side, :half])
    assert (given[:, half:, :3] == HIDDEN).all() and (given[..., 3] == 255).all()
    np.testing.assert_array_equal(
        picture[-side:, -side:], transparent_grid(completions[1, 2:], 1, scale)
    )

"""Films show the frames that they were made of."""

import io

import numpy as np
import pytest
from PIL import Image

from ncsn.report.films import LAST_MS, MAX_FRAMES, STRIP_PX, film, sampling_frames


def _frames(gif: bytes) -> list[np.ndarray]:
    with Image.open(io.BytesIO(gif)) as image:
        return [_seek(image, index) for index in range(image.n_frames)]


def _seek(image: Image.Image, index: int) -> np.ndarray:
    image.seek(index)
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_frame_has_the_images_and_a_line_below_them(channels: int) -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 4, (8, 64, channels), np.uint8) * 60 for _ in range(3)]
    made = film(frames, ["one", "two", "three"])
    shown = _frames(made.gif)
    assert len(shown) == 3
    for frame, picture in zip(frames, shown, strict=True):
        expected = np.broadcast_to(frame.repeat(8, 0).repeat(8, 1), (64, 512, 3))
        np.testing.assert_array_equal(picture[:-STRIP_PX], expected)
        assert picture[-STRIP_PX:].std() > 0  # text
    last = np.asarray(Image.open(io.BytesIO(made.last)).convert("RGB"))
    np.testing.assert_array_equal(last, shown[-1])
    assert film(frames, ["one", "two", "three"]) == made


def test_a_long_film_keeps_its_ends_and_waits_at_the_last_frame() -> None:
    frames = [np.full((4, 4, 1), index, np.uint8) for index in range(100)]
    made = film(frames, [str(index) for index in range(100)])
    shown = _frames(made.gif)
    assert len(shown) == MAX_FRAMES
    assert (shown[0][0, 0, 0], shown[-1][0, 0, 0]) == (0, 99)
    with Image.open(io.BytesIO(made.gif)) as image:
        image.seek(MAX_FRAMES - 1)
        assert image.info["duration"] == LAST_MS


def test_states_lie_in_two_rows() -> None:
    states = np.random.default_rng(1).integers(0, 256, (5, 7, 8, 8, 1), np.uint8)
    frames = sampling_frames(states)
    assert len(frames) == 5 and frames[0].shape[0] < frames[0].shape[1] <= 512

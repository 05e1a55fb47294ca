"""Films: images that change, as an animated GIF with a line of text under each frame.

Grey images keep their pixels; of coloured ones each frame has a palette of 256 colours.
"""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ncsn.base.image_grid import image_grid

WIDTH_PX = 512  # frames are enlarged by a whole number up to this
MAX_FRAMES = 48
FRAME_MS, LAST_MS = 400, 2400
STRIP_PX, BAR_PX = 30, 3  # the line of text, and how far the film is
GAP_PX = 2
DARK, LIGHT = 20, 230  # grey values of the strip and of its text: the same on a light or dark page


class Film(NamedTuple):
    """An animated GIF and, for people who want nothing to move, its last frame as PNG."""

    gif: bytes
    last: bytes


def film(frames: Sequence[np.ndarray], captions: Sequence[str]) -> Film:
    """Returns the film of `frames`; of more than MAX_FRAMES evenly spaced ones, the ends kept.

    Args:
        frames: uint8, each (H, W, 1) or (H, W, 3), all of one shape.
        captions: a line of text for each.
    """
    shown = np.linspace(0, len(frames) - 1, min(len(frames), MAX_FRAMES)).round().astype(int)
    grey = all((frames[index] == frames[index][..., :1]).all() for index in shown)
    pictures = [_picture(frames[i], captions[i], i / max(1, len(frames) - 1), grey) for i in shown]
    durations = [FRAME_MS] * (len(pictures) - 1) + [LAST_MS]
    gif, last = io.BytesIO(), io.BytesIO()
    pictures[0].save(
        gif,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=durations,
        loop=0,
        optimize=False,
    )
    pictures[-1].save(last, format="PNG")
    return Film(gif.getvalue(), last.getvalue())


def sampling_frames(states: np.ndarray) -> list[np.ndarray]:
    """Lays the images of each state (K, N, H, W, C) out in two rows, on the ground of a film."""
    num_columns = -(-states.shape[1] // 2)
    between = (num_columns - 1) * GAP_PX
    scale = max(1, (WIDTH_PX - between) // (num_columns * states.shape[3]))
    return [image_grid(state, num_columns, scale, gap=GAP_PX, empty=DARK) for state in states]


def _picture(frame: np.ndarray, caption: str, share: float, grey: bool) -> Image.Image:
    scale = max(1, WIDTH_PX // frame.shape[1])
    large = frame.repeat(scale, axis=0).repeat(scale, axis=1)
    height, width = large.shape[:2]
    canvas = np.full((height + STRIP_PX, width, 3), DARK, dtype=np.uint8)
    canvas[:height] = large  # one grey channel spreads over three
    canvas[-BAR_PX:, : round(share * width)] = LIGHT
    picture = Image.fromarray(canvas)
    font = ImageFont.load_default(15)
    middle = (10, height + (STRIP_PX - BAR_PX) / 2)
    ImageDraw.Draw(picture).text(middle, caption, fill=(LIGHT,) * 3, font=font, anchor="lm")
    return picture.convert("L") if grey else picture.quantize(256, dither=Image.Dither.NONE)

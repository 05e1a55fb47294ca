"""Decodes image files to uint8, and counts by kind what is lost on the way.

The content decides the format, and only those below are opened: Pillow would hand others, such as
PostScript, to a second program.
"""

import re
import struct
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ncsn.base.errors import UserError
from ncsn.data.listing import IMAGE_SUFFIXES, unreadable

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM", "GIF")  # GIF, if named like another
_GREY_MODES = ("1", "L", "LA")
_COLOUR_MODES = ("P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
_CONVERTED = {"P": "palette", "PA": "palette", "CMYK": "CMYK", "YCbCr": "YCbCr"}
_HEAD = 512  # bytes, enough for the fields of a header that are read
_BITS_PER_SAMPLE = 258  # TIFF's tag
_LFS = b"version https://git-lfs"
# Pillow raises one of these, depending on where a file is broken
_BROKEN = (
    *(OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError),
    *(OverflowError, struct.error, Image.DecompressionBombError),
)


def read_image(path: Path, converted: Counter[str], *, grey: bool) -> np.ndarray:
    """Reads an image file as uint8, shape (H, W, 1) if `grey`, else (H, W, 3).

    Transparency is dropped, EXIF rotation applied, other colour spaces become RGB, and only the
    first of several frames is read.

    Args:
        path: the file.
        converted: counts each of these, by kind.
        grey: whether all images of the source are grey.

    Raises:
        UserError: the file is no image, is damaged, or has more than 8 bits per channel.
    """
    with _file(path) as file:
        try:
            with Image.open(file, formats=FORMATS) as image:
                _check_depth(image, path, file)
                converted.update(_losses(image, grey))
                flat = image.convert("RGBA") if _is_transparent_palette(image) else image
                turned = ImageOps.exif_transpose(flat)
                pixels = np.asarray(turned.convert("L" if grey else "RGB"))
        except _BROKEN as error:
            raise _no_image(path, error) from None
    return pixels.reshape(*pixels.shape[:2], 1 if grey else 3)


def is_grey(path: Path) -> bool:
    """Returns whether an image is grey, by its header; raises what `read_image` raises."""
    with _file(path) as file:
        try:
            with Image.open(file, formats=FORMATS) as image:
                _check_depth(image, path, file)
                return image.mode in _GREY_MODES
        except _BROKEN as error:
            raise _no_image(path, error) from None


def _losses(image: Image.Image, grey: bool) -> list[str]:
    """Kinds of loss and change when an image is read."""
    kinds = []
    # as Pillow's manual has it: formats without frames do not have the attribute
    if getattr(image, "is_animated", False):
        kinds.append("image(s) with several frames (first taken)")
    if image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9):
        kinds.append("image(s) turned as EXIF says")
    if image.mode in _CONVERTED:
        kinds.append(f"{_CONVERTED[image.mode]} image(s) to RGB")
    if image.mode in _GREY_MODES and not grey:
        kinds.append("grey image(s) to RGB")
    if image.has_transparency_data:
        alpha = image.convert("RGBA").getchannel("A")
        if alpha.histogram()[255] < alpha.width * alpha.height:
            kinds.append("transparent image(s) (transparency dropped)")
    return kinds


def _is_transparent_palette(image: Image.Image) -> bool:
    """Pillow warns when it converts these straight to RGB; by RGBA the colours are the same."""
    return image.mode == "P" and image.has_transparency_data


def _check_depth(image: Image.Image, path: Path, file: BinaryIO) -> None:
    # Pillow clips 16-bit grey to 255, and silently drops the low byte of 16-bit colour
    bits = _bits(image, file)
    if image.mode not in (*_GREY_MODES, *_COLOUR_MODES) or bits > 8:
        found = f"{bits} bits" if bits > 8 else f"mode {image.mode}"
        raise UserError(f"{path}: has {found}; images must have 8 bits per channel, grey or RGB")


def _bits(image: Image.Image, file: BinaryIO) -> int:
    """Bits per channel in the file; Pillow's mode has those after its own conversion."""
    if image.format == "TIFF":
        return max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,)))  # type: ignore[attr-defined]
    if image.format not in ("PNG", "PPM"):
        return 8
    here = file.tell()
    file.seek(0)
    head = file.read(_HEAD)
    file.seek(here)
    if image.format == "PNG":
        return head[24]
    fields = re.sub(rb"#[^\n]*", b" ", head).split()  # P6 width height largest
    has_largest = fields[0] not in (b"P1", b"P4")
    return int(fields[3]).bit_length() if has_largest else 1


def _file(path: Path) -> BinaryIO:
    try:
        file = open(path, "rb")
        head = file.read(len(_LFS))
    except OSError as error:
        raise unreadable(path, error) from None
    if head == _LFS:
        file.close()
        raise UserError(f"{path}: is a pointer of Git LFS, not the image; `git lfs pull` gets it")
    file.seek(0)
    return file


def _no_image(path: Path, error: Exception) -> UserError:
    if isinstance(error, UserError):
        return error
    known = ", ".join(IMAGE_SUFFIXES)
    why = f"none of {known}" if isinstance(error, UnidentifiedImageError) else str(error)
    return UserError(f"{path}: not a readable image ({why or type(error).__name__})")

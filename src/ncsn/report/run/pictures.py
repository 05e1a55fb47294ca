"""Pictures that other stages leave, read without trust: previews of the training, toy figures."""

import io
import re
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from ncsn.base.errors import Missing, UserError
from ncsn.base.files import REPRO
from ncsn.base.reading import one_line, read_bytes, remake_hint

TOY_STUDIES = ("manifold", "density", "energy", "objectives", "mixing", "scales")
_PREVIEW = re.compile(r"step_(\d{1,12})\.png")
_BROKEN = (  # Pillow raises one of these, depending on where a file is broken
    *(OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError),
    *(OverflowError, struct.error, Image.DecompressionBombError),
)


def read_previews(folder: str | Path) -> dict[int, np.ndarray]:
    """Returns the preview grids of a training by step, uint8, (H, W, 3); empty without any.

    Raises:
        UserError: the folder is missing, a file is no PNG, or their sizes differ.
    """
    if not Path(folder).is_dir():
        raise Missing(f"{folder} is missing{remake_hint(REPRO)}")
    found = [(match, path) for path in Path(folder).iterdir() if (match := _step(path))]
    grids = {int(match[1]): (path, _pixels(path)) for match, path in found}
    shapes = {pixels.shape for _, pixels in grids.values()}
    if len(shapes) > 1:
        raise UserError(f"{folder}: previews of shapes {sorted(shapes)}{remake_hint(REPRO)}")
    return {step: grids[step][1] for step in sorted(grids)}


def read_toy_figures(folder: str | Path) -> dict[str, bytes]:
    """Returns the figure of each toy study as PNG; errors as `read_previews`."""
    figures = {name: Path(folder) / f"{name}.png" for name in TOY_STUDIES}
    for path in figures.values():
        _pixels(path)
    return {name: read_bytes(path, REPRO) for name, path in figures.items()}


def _step(path: Path) -> re.Match[str] | None:
    return _PREVIEW.fullmatch(path.name)


def _pixels(path: Path) -> np.ndarray:
    content = read_bytes(path, REPRO)
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            return np.asarray(image.convert("RGB"))
    except _BROKEN as error:
        reason = f"is no whole PNG ({one_line(error)}){remake_hint(REPRO)}"
        raise UserError(f"{path}: {reason}") from None

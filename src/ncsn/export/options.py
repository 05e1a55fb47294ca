"""The command line of pipeline/draw.py."""

import argparse
import re
from pathlib import Path
from typing import NamedTuple

from ncsn.base.errors import UserError
from ncsn.export.picture import KINDS

_MOST_IMAGES = 10_000_000  # as of `sample.num_samples`
_DEVICE = re.compile(r"auto|cpu|cuda(:\d{1,3})?")


class DrawOptions(NamedTuple):
    """What is drawn with which network, and where it goes.

    `source` is a checkpoint or an export, None for the pipeline's own checkpoint; `seed` None is
    that of the network's params.
    """

    source: str | None
    num: int
    seed: int | None
    device: str
    out: str


def draw_options() -> DrawOptions:
    """Reads the command line.

    Raises:
        UserError: a value breaks a rule.
    """
    parser = argparse.ArgumentParser(description="Draw images with a trained network.")
    source = "a checkpoint or an export; default the pipeline's checkpoint"
    parser.add_argument("--from", dest="source", metavar="PATH", help=source)
    parser.add_argument("--num", type=int, default=64, metavar="N", help="images; default 64")
    parser.add_argument("--seed", type=int, metavar="S", help="default that of the params")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N; default auto")
    out = ".png: a grid; .npz: the images as an array `arr_0`; default grid.png"
    parser.add_argument("--out", default="grid.png", metavar="FILE", help=out)
    options = DrawOptions(**vars(parser.parse_args()))
    _check(options)
    return options


def _check(options: DrawOptions) -> None:
    if not 1 <= options.num <= _MOST_IMAGES:
        rule = f"must be a whole number from 1 to {_MOST_IMAGES}"
        raise UserError(f"--num (value {options.num}): {rule}")
    if options.seed is not None and not 0 <= options.seed < 2**63:
        raise UserError(
            f"--seed (value {options.seed}): must be a whole number from 0 to 2^63 - 1"
        )
    if not _DEVICE.fullmatch(options.device):
        rule = "must be auto, cpu, cuda or cuda:N"
        raise UserError(f"--device (value {options.device!r}): {rule}")
    if Path(options.out).suffix not in KINDS:
        raise UserError(f"--out (value {options.out!r}): must end in {' or '.join(KINDS)}")

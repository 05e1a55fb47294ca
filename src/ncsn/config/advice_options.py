"""The command line of pipeline/advise.py."""

import argparse
from typing import NamedTuple

from ncsn.base.errors import UserError
from ncsn.maths.techniques import OVERLAP, PUBLISHED_OVERLAP


class AdviceOptions(NamedTuple):
    """Langevin steps per level, the target overlap, and whether params.yaml is changed."""

    steps_per_level: int
    overlap: float
    write: bool


def advice_options(steps_per_level: int) -> AdviceOptions:
    """Reads the command line.

    Args:
        steps_per_level: of params.yaml, the default.

    Raises:
        UserError: a value is out of its range.
    """
    parser = argparse.ArgumentParser(description="Settings by the rules of NCSNv2.")
    parser.add_argument("--steps-per-level", type=int, default=steps_per_level, metavar="N")
    parser.add_argument(
        "--overlap",
        type=float,
        default=OVERLAP,
        metavar="C",
        help=f"least of neighbouring levels; the published ladders have {PUBLISHED_OVERLAP}",
    )
    parser.add_argument("--write", action="store_true", help="into params.yaml")
    options = AdviceOptions(**vars(parser.parse_args()))
    if options.steps_per_level < 1:
        rule = "must be at least 1"
        raise UserError(f"--steps-per-level (value {options.steps_per_level}): {rule}")
    if not 0 < options.overlap < 0.99:
        raise UserError(f"--overlap (value {options.overlap}): must be above 0 and below 0.99")
    return options

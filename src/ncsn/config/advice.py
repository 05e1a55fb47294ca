"""NCSNv2's rules for the data at hand, as values of params.yaml.

The rules are in `maths.techniques`; here they are applied to the summary that `prepare` leaves and
set beside the present values of params.yaml.
"""

import math
from pathlib import Path
from typing import NamedTuple

from ncsn.base.errors import UserError
from ncsn.base.records import DataRecord, read_record
from ncsn.config.params import NoiseParams, SamplerParams
from ncsn.maths.techniques import SIGMA_MIN, Settings, diagnosis

KEYS = (  # of Settings, in its order
    "noise.sigma_max",
    "noise.sigma_min",
    "noise.num_levels",
    "sampler.epsilon",
    "sampler.steps_per_level",
)
_RULES = (
    "Technique 1: the largest distance between training images",
    "where the ladders of NCSN and NCSNv2 end",
    "Technique 2: the fewest for which the overlap C reaches the target",
    "Technique 4: brings the variance after a level closest to sigma^2",
    "the budget; NCSNv2 spends 1,160 to 6,933 Langevin steps per image",
)
_MEANINGS = (  # of Diagnosis, in its order
    "sigma_max / largest distance",
    "sigma of a level / the next one's",
    "overlap C of neighbouring levels",
    "variance after a level / sigma^2",
    "Langevin steps per image",
    "epsilon as NCSNv2 writes it, half of ours",
)


class DataFacts(NamedTuple):
    """What the rules need to know about the training images.

    Attributes:
        dim: number of values in an image, H * W * C.
        largest_distance: Euclidean, pixel values in [0, 1].
        num_points: number of images that were compared.
    """

    dim: int
    largest_distance: float
    num_points: int


def data_facts(path: str | Path, name: str) -> DataFacts:
    """Reads the summary of the prepared data.

    Args:
        path: the summary that `prepare` leaves.
        name: data.name of params.yaml, whose data set it must describe.

    Returns:
        What the rules need to know.

    Raises:
        UserError: no summary, one of another data set, or images that are all alike.
    """
    if not Path(path).exists():
        raise UserError(f"{path} is missing: the data are not prepared; run `dvc repro prepare`")
    summary = read_record(path, DataRecord)
    if summary["name"] != name:
        raise UserError(
            f"{path} describes '{summary['name']}', but data.name in params.yaml is '{name}'; "
            "run `dvc repro prepare`"
        )
    distance, num_points = summary["pairwise"]["max"], summary["pairwise"]["num_points"]
    if distance <= SIGMA_MIN:
        raise UserError(
            f"{path}: the largest distance between training images is {distance}; a ladder needs "
            f"one above its end at {SIGMA_MIN}"
        )
    return DataFacts(math.prod(summary["train"]["shape"]), distance, num_points)


def present_settings(noise: NoiseParams, sampler: SamplerParams) -> Settings:
    """Returns the present values of params.yaml."""
    return Settings(
        noise.sigma_max,
        noise.sigma_min,
        noise.num_levels,
        sampler.epsilon,
        sampler.steps_per_level,
    )


def advice_table(present: Settings, advised: Settings, data: DataFacts) -> str:
    """Returns a text table: both settings with the rule of each value, then their consequences."""
    rows = [("", "now", "advised", "rule")]
    rows += zip(KEYS, map(_text, present), map(_text, advised), _RULES, strict=True)
    rows += [("",) * 4, ("consequences", "now", "advised", "")]
    meant = [
        map(_text, diagnosis(settings, data.largest_distance, data.dim))
        for settings in (present, advised)
    ]
    rows += [(*row, "") for row in zip(_MEANINGS, *meant, strict=True)]
    return "\n".join(f"{a:<42}{b:>10}{c:>10}   {d}".rstrip() for a, b, c, d in rows)


def _text(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"

"""Two studies over equal points: do they put them into the same order, and what did each cost?

An amortised study (one training for all points) stands beside one that trains for each point, and
a study of the oracle beside one of the network.
"""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from ncsn.report.sweep.inputs import SweepStudy

AMORTISED = "_amortised"
MIN_COMMON = 3  # two points agree or disagree entirely
_DIGITS = 9  # significant ones in which equal points agree


class Comparison(NamedTuple):
    """Two studies, `other` beside `this`.

    Attributes:
        this: full name.
        other: full name.
        rho: Spearman's rank correlation of the first objective; NaN for fewer than
            MIN_COMMON points, or where the values of one study are all equal.
        num_common: points that are complete in both.
        seconds: of all stages, this and other.
        trainings: networks that were trained, this and other.
    """

    this: str
    other: str
    rho: float
    num_common: int
    seconds: tuple[float, float]
    trainings: tuple[int, int]


def comparison(this: SweepStudy, other: SweepStudy) -> Comparison:
    """Returns how far the two agree and what each took.

    The first objective that both have is compared at the points that are complete in both; a point
    that was tried repeatedly enters with its mean.
    """
    both = common_points(this, other)
    enough = len(both) >= MIN_COMMON and both["this"].nunique() > 1 and both["other"].nunique() > 1
    rho = float(both["this"].corr(both["other"], method="spearman")) if enough else float("nan")
    return Comparison(
        this.name,
        other.name,
        rho,
        len(both),
        (this.summary["worker_seconds"], other.summary["worker_seconds"]),
        (this.summary["trainings"]["ran"], other.summary["trainings"]["ran"]),
    )


def common_points(this: SweepStudy, other: SweepStudy) -> pd.DataFrame:
    """Returns columns `this` and `other`: the first objective at points that both completed."""
    objective = next((key for key in this.objectives if key in other.objectives), None)
    if objective is None or set(this.axes) != set(other.axes):
        return pd.DataFrame({"this": [], "other": []}, dtype=float)
    one, two = (_by_point(study, objective) for study in (this, other))
    return pd.concat({"this": one, "other": two}, axis=1, join="inner").reset_index(drop=True)


def amortised_sibling(folder: str | Path, size: str | None) -> Path:
    """Returns where the amortised study of the same axes lies, whether or not it exists.

    >>> amortised_sibling("reports/sweeps/joint-digits", "digits").name
    'joint_amortised-digits'
    """
    folder = Path(folder)
    ending = f"-{size}" if size else ""
    return folder.with_name(f"{folder.name.removesuffix(ending)}{AMORTISED}{ending}")


def _by_point(study: SweepStudy, objective: str) -> pd.Series:
    rows = study.complete()
    points = [tuple(_same_text(row[name]) for name in study.axes) for _, row in rows.iterrows()]
    values = rows[objective].to_numpy(float)
    return pd.Series(values, index=pd.Index(points, tupleize_cols=False)).groupby(level=0).mean()


def _same_text(value: object) -> str:
    return f"{value:.{_DIGITS}g}" if isinstance(value, int | float) else str(value)

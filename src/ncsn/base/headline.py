"""The one line about a finished run that stands at the end of `make repro`."""

import math
from collections.abc import Mapping
from typing import Any

from ncsn.base import metric_names as keys


def with_error(value: float, error: float | None) -> str:
    """Returns a value and its error, which has two significant digits; the value ends with it.

    >>> with_error(5.5926, 0.62668), with_error(0.358, 0.0255), with_error(1234.5, 230.0)
    ('5.59 ± 0.63', '0.358 ± 0.026', '1234 ± 230')

    Without an error, or with one of zero, the value has three significant digits.

    >>> with_error(5.5926, None)
    '5.59'
    """
    if error is None or not error > 0:
        return f"{value:.3g}"
    rounded = float(f"{error:.1e}")
    decimals = max(0, 1 - math.floor(math.log10(rounded)))
    return f"{value:.{decimals}f} ± {rounded:.{decimals}f}"


def headline(metrics: Mapping[str, Any], oracle: Mapping[str, Any]) -> str:
    """Returns FID with its error, what it is compared with, and its conditions.

    Args:
        metrics: of the generated images, as reports/metrics.json has them; without
            counts the line ends before the conditions.
        oracle: of the exact score's images, as reports/oracle.json has them; may be empty.
    """
    exact = oracle.get("oracle/fid")
    floor = metrics.get(keys.matched(keys.FID))
    beside = [
        f"{name} {with_error(value, error)}"
        for name, value, error in (
            ("exact score", exact, oracle.get(keys.stderr_key("oracle/fid"))),
            ("floor", floor, metrics.get(keys.std_key(keys.matched(keys.FID)))),
        )
        if value is not None
    ]
    line = f"FID {with_error(metrics[keys.FID], metrics.get(keys.stderr_key(keys.FID)))}"
    if beside:
        line += f" ({', '.join(beside)})"
    if keys.NUM_REFERENCE not in metrics:
        return line
    counts = f"{metrics[keys.FID_NUM_SAMPLES]:g} images against {metrics[keys.NUM_REFERENCE]:g}"
    return f"{line}; {counts}, {metrics[keys.EXTRACTOR]} layer {metrics[keys.FEATURE_LAYER]}"

"""The one line about a finished run that stands at the end of `make repro`."""

from collections.abc import Mapping
from typing import Any

from ncsn.base import metric_names as keys
from ncsn.base.numbers import with_error


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

"""Asks Optuna for the point of a trial."""

from collections.abc import Mapping
from typing import Any

from optuna import Trial

from ncsn.sweep.studies.space import AxisType, FloatAxis, IntAxis, is_active, values_of


def suggest_point(trial: Trial, space: Mapping[str, AxisType], fixed: Mapping[str, Any]) -> dict:
    """Asks Optuna for every active axis, in the order of the space.

    Args:
        trial: a trial of a study.
        space: axes by name.
        fixed: values of the keys that no axis changes, for conditions.

    Returns:
        The point.
    """
    point: dict[str, Any] = {}
    for name, axis in space.items():
        if is_active(axis, values_of(point, space, fixed)):
            point[name] = _suggest(trial, name, axis)
    return point


def _suggest(trial: Trial, name: str, axis: AxisType) -> Any:
    if isinstance(axis, FloatAxis):
        return trial.suggest_float(name, axis.low, axis.high, log=axis.log)
    if isinstance(axis, IntAxis):
        return trial.suggest_int(name, axis.low, axis.high, log=axis.log)
    return trial.suggest_categorical(name, list(axis.choices))

"""Search spaces as data: axes of a study, their grids, and what Optuna is asked for.

An axis is a dotted key of params.yaml, except a bundle: its own name stands for several keys that
change together. A point is one value for each active axis, by the axis' name.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ncsn.config.sections.kinds import Count, Section, at_least, at_most

Finite = Annotated[float, Field(allow_inf_nan=False)]
Whole = Annotated[
    int,
    at_least(-(2**53), "Optuna counts in doubles"),
    at_most(2**53, "Optuna counts in doubles"),
]
Tied = Annotated[
    Finite, at_least(-10, "the key would overflow"), at_most(10, "the key would overflow")
]
Points = Annotated[Count, at_most(10_000, "each is a trial, or many of them")]
Scalar = bool | int | float | str | None
_DIGITS = 3  # significant ones, of grid points
_TIED_DIGITS = 6


class Condition(Section):
    """What all axes share: when they are there, and what their key is otherwise.

    Attributes:
        when: values that other keys must have, one value or several allowed ones.
        otherwise: the key's value where they have others; None keeps the study's own.
    """

    when: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict)
    otherwise: Scalar = None


class Range(Condition):
    """What ranges share.

    Attributes:
        points: number of grid points.
        tied: powers by key; such a key moves in proportion to that power of the axis' value, from
            the study's own values of both.
    """

    points: Points = 8
    tied: dict[str, Tied] = Field(default_factory=dict)


class FloatAxis(Range):
    """A range of real numbers."""

    type: Literal["float"]
    low: Finite
    high: Finite
    log: bool = False

    @model_validator(mode="after")
    def _upwards(self) -> Self:
        return _checked_range(self)


class IntAxis(Range):
    """A range of whole numbers, both ends included."""

    type: Literal["int"]
    low: Whole
    high: Whole
    log: bool = False

    @model_validator(mode="after")
    def _upwards(self) -> Self:
        return _checked_range(self)


class CategoricalAxis(Condition):
    """A list of values."""

    type: Literal["categorical"]
    choices: Annotated[list[Scalar], Field(min_length=1)]


class BundleAxis(Condition):
    """Named sets of values for several keys."""

    type: Literal["bundle"]
    choices: Annotated[dict[str, dict[str, Scalar]], Field(min_length=1)]


Axis = Annotated[FloatAxis | IntAxis | CategoricalAxis | BundleAxis, Field(discriminator="type")]
AxisType = FloatAxis | IntAxis | CategoricalAxis | BundleAxis


def is_active(axis: AxisType, values: Mapping[str, Any]) -> bool:
    """Whether the axis' condition holds under dotted `values`."""
    return all(
        values.get(key) in (wanted if isinstance(wanted, list) else [wanted])
        for key, wanted in axis.when.items()
    )


def values_of(
    point: Mapping[str, Any], space: Mapping[str, AxisType], fixed: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns dotted values: `fixed`, overridden by the point, bundles spelled out."""
    values = dict(fixed)
    for name, axis in space.items():
        if name not in point:
            if axis.otherwise is not None:
                values[name] = axis.otherwise
        elif isinstance(axis, BundleAxis):
            values |= axis.choices[point[name]]
        else:
            values[name] = point[name]
            values |= _tied(name, axis, point[name], fixed)
    return values


def keys_of(name: str, axis: AxisType) -> list[str]:
    """Returns the keys of params.yaml that the axis sets."""
    if isinstance(axis, Range):
        return [name, *axis.tied]
    if isinstance(axis, CategoricalAxis):
        return [name]
    return list(dict.fromkeys(key for values in axis.choices.values() for key in values))


def projected(
    values: Mapping[str, Any], space: Mapping[str, AxisType], fixed: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Returns the point of the space nearest to dotted `values`, None when there is none.

    Numbers are clipped to their range; a choice that is not offered has no nearest one.
    """
    point: dict[str, Any] = {}
    for name, axis in space.items():
        if not is_active(axis, values_of(point, space, fixed)):
            continue
        if isinstance(axis, FloatAxis | IntAxis):
            point[name] = type(axis.low)(min(max(values[name], axis.low), axis.high))
            continue
        fits = [choice for choice in axis.choices if _fits(choice, name, axis, values)]
        if not fits:
            return None
        point[name] = fits[0]
    return point


def grid(space: Mapping[str, AxisType], fixed: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Returns all combinations of the active axes' grid points, the last axis fastest."""
    points: list[dict[str, Any]] = [{}]
    for name, axis in space.items():
        points = list(itertools.chain(*(_extended(p, name, axis, space, fixed) for p in points)))
    return points


def _extended(
    point: dict[str, Any],
    name: str,
    axis: AxisType,
    space: Mapping[str, AxisType],
    fixed: Mapping[str, Any],
) -> Iterator[dict[str, Any]]:
    if not is_active(axis, values_of(point, space, fixed)):
        yield point
        return
    for value in grid_values(axis):
        yield {**point, name: value}


def grid_values(axis: AxisType) -> list[Any]:
    """Returns the values of an axis in a grid, both ends of a range among them."""
    if not isinstance(axis, FloatAxis | IntAxis):
        return list(axis.choices)
    low, high = (math.log(end) if axis.log else float(end) for end in (axis.low, axis.high))
    step = (high - low) / (axis.points - 1) if axis.points > 1 else 0.0
    inner = [low + i * step for i in range(1, axis.points - 1)]
    values = [math.exp(x) if axis.log else x for x in inner]
    if isinstance(axis, IntAxis):
        rounded: list[Any] = [round(value) for value in values]
    else:
        rounded = [float(f"{value:.{_DIGITS}g}") for value in values]
    ends = [axis.low] if axis.points == 1 else [axis.low, *rounded, axis.high]
    return list(dict.fromkeys(ends))


def _tied(name: str, axis: AxisType, value: float, fixed: Mapping[str, Any]) -> dict[str, float]:
    tied = axis.tied if isinstance(axis, Range) else {}
    return {
        key: float(f"{fixed[key] * (value / fixed[name]) ** power:.{_TIED_DIGITS}g}")
        for key, power in tied.items()
    }


def _fits(choice: Any, name: str, axis: AxisType, values: Mapping[str, Any]) -> bool:
    if isinstance(axis, BundleAxis):
        return all(values.get(key) == value for key, value in axis.choices[choice].items())
    return bool(values[name] == choice)


def _checked_range(axis: Any) -> Any:
    if axis.low >= axis.high:
        raise ValueError(f"high: must be larger than low ({axis.low})")
    if axis.log and axis.low <= 0:
        raise ValueError("low: must be positive on a log axis")
    return axis

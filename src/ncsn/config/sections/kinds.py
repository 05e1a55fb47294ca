"""The base class of all sections, and the kinds of single values with their bounds.

Each bound has its reason, which the message gives: a larger size needs more memory or time than
any machine has, a number outside is lost in fp32. Useful values lie far inside.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


def at_most(limit: float, reason: str) -> AfterValidator:
    """Returns an upper bound for `Annotated`, whose message gives the reason."""

    def check(value: Any) -> Any:
        if value > limit:
            raise _broken(f"must be at most {limit}: {reason}")
        return value

    return AfterValidator(check)


def at_least(limit: float, reason: str) -> AfterValidator:
    """Returns a lower bound for `Annotated`, whose message gives the reason."""

    def check(value: Any) -> Any:
        if value < limit:
            raise _broken(f"must be at least {limit}: {reason}")
        return value

    return AfterValidator(check)


def _none_or_20(reason: str) -> Callable[[int], int]:
    def check(value: int) -> int:
        if value != 0 and value < 20:
            raise _broken(f"must be 0, for none, or at least 20: {reason}")
        return value

    return check


def _one_line(value: str) -> str:
    if not value.strip():
        raise _broken("must not be empty")
    if not value.isprintable():
        raise _broken("must be one line of visible characters, without control characters")
    return value


def _broken(rule: str) -> PydanticCustomError:
    return PydanticCustomError("rule", "{rule}", {"rule": rule})


_FOREVER = "more take over a day at 1000 steps per second, and years at usual speeds"
_ONE_BATCH = "a whole batch and all features that a network makes of it are in memory"
_BESIDE_ONE = "fp32 numbers near 1 are 1e-07 apart, so that less is rounded away"

Count = Annotated[int, Field(ge=1)]
Steps = Annotated[Count, at_most(100_000_000, _FOREVER)]
BatchSize = Annotated[Count, at_most(1_048_576, _ONE_BATCH)]
Devices = Annotated[Count, at_most(1024, "no host has more GPUs")]
Levels = Annotated[
    Count, at_most(10_000, "each level has its own weights and its own logged loss")
]
StepsPerLevel = Annotated[Count, at_most(1_000_000, "each costs a network evaluation per image")]
Channels = Annotated[int, Field(ge=4), at_most(1024, "more make over two billion weights")]
ImageSize = Annotated[
    int, Field(ge=8), at_most(1024, "the networks keep all features at this size in memory")
]
CropSize = Annotated[Count, at_most(65_535, "no JPEG is larger")]
DataImages = Annotated[Count, at_most(1_000_000_000, "no data set has more images")]
Images = Annotated[
    int, Field(ge=2), at_most(10_000_000, "all images lie in memory, 3 kB each at 32x32")
]
Points = Annotated[int, Field(ge=2), at_most(10_000_000, "all points lie in memory")]
Shown = Annotated[Count, at_most(10_000, "all are drawn into one picture of the report")]
Repeats = Annotated[Count, at_most(100_000, "each takes as long as the first")]
Neighbourhood = Annotated[Count, at_most(10_000, "so many neighbours are sorted for each image")]
SubsetSize = Annotated[
    int,
    Field(ge=2),
    at_most(100_000, "the kernel matrix grows with the square, to 80 GB at 100000"),
]
ErrorGroups = Annotated[
    int,
    AfterValidator(_none_or_20("the spread of fewer groups is no error bar")),
    at_most(1000, "each costs a Frechet distance on either side"),
]
FloorSubsets = Annotated[
    int,
    AfterValidator(_none_or_20("fewer subsets say little of a spread")),
    at_most(1000, "each costs as much as an evaluation"),
]
Seed = Annotated[int, Field(ge=0), at_most(2**63 - 1, "databases keep integers of 64 bits")]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[
    float,
    Field(ge=0, lt=1, allow_inf_nan=False),
    at_most(0.9999999, "fp32 has no number between it and 1"),
]
Sigma = Annotated[
    Positive,
    at_least(1e-6, _BESIDE_ONE),
    at_most(65_536, "fp32 numbers there are 1/256 apart, so that the image is rounded away"),
]
Epsilon = Annotated[
    Positive,
    at_least(1e-14, f"its noise is sqrt(epsilon); {_BESIDE_ONE}"),
    at_most(1e10, "steps at the first level would leave the finite numbers of fp32"),
]
LearningRate = Annotated[
    Positive,
    at_least(1e-12, "fp32 weights would not move"),
    at_most(100.0, "Adam moves each weight by about this much per step, and weights are below 1"),
]
AdamEps = Annotated[
    Positive,
    at_least(1e-30, "in fp32 it could become zero, and a step 0/0"),
    at_most(1.0, "gradients are below 1, so that Adam would hardly move the weights"),
]
Power = Annotated[
    float,
    Field(allow_inf_nan=False),
    at_least(-6.0, "weights of the smallest sigmas would leave fp32"),
    at_most(6.0, "weights of the smallest sigmas would leave fp32"),
]
Seconds = Annotated[Count, at_most(604_800, "a week")]
Line = Annotated[str, AfterValidator(_one_line), Field(max_length=4096)]
Precision = Literal["auto", "fp32", "bf16"]


class Section(BaseModel):
    """A section of params.yaml: strict types, no unknown keys, no missing keys, immutable."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

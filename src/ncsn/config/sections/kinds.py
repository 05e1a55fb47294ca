"""What the models of all sections are made of: their base and the kinds of single values.

Every kind has the bounds of its use, each with its reason: a size beyond them asks for more memory
or time than any machine has, a number beyond them leaves fp32. They are far from all sane values.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


def at_most(limit: float, reason: str) -> AfterValidator:
    """Returns an upper bound that tells its reason, for the metadata of `Annotated`."""

    def check(value: Any) -> Any:
        if value > limit:
            raise _broken(f"must be at most {limit}: {reason}")
        return value

    return AfterValidator(check)


def at_least(limit: float, reason: str) -> AfterValidator:
    """Returns a lower bound that tells its reason, for the metadata of `Annotated`."""

    def check(value: Any) -> Any:
        if value < limit:
            raise _broken(f"must be at least {limit}: {reason}")
        return value

    return AfterValidator(check)


def _one_line(value: str) -> str:
    if not value.strip():
        raise _broken("must not be empty")
    if not value.isprintable():
        raise _broken("must be one line of visible characters, without control characters")
    return value


def _broken(rule: str) -> PydanticCustomError:
    return PydanticCustomError("rule", "{rule}", {"rule": rule})


_FOREVER = "at a thousand steps a second it takes more than a day, at the usual speeds years"
_ONE_BATCH = "images of one batch lie in memory together, with all they are turned into"
_BESIDE_ONE = "fp32 has steps of 1e-07 beside pixel values of 1, so it would be rounded away"

Count = Annotated[int, Field(ge=1)]
Steps = Annotated[Count, at_most(100_000_000, _FOREVER)]
BatchSize = Annotated[Count, at_most(1_048_576, _ONE_BATCH)]
Levels = Annotated[Count, at_most(10_000, "each level has weights and a logged loss of its own")]
StepsPerLevel = Annotated[Count, at_most(1_000_000, "each is a network evaluation of every image")]
Channels = Annotated[
    int, Field(ge=4), at_most(1024, "the network has two billion weights with so many")
]
ImageSize = Annotated[
    int, Field(ge=8), at_most(1024, "the networks keep every feature at this size")
]
CropSize = Annotated[Count, at_most(65_535, "no JPEG is larger")]
DataImages = Annotated[Count, at_most(1_000_000_000, "no data set has more images")]
Images = Annotated[
    int, Field(ge=2), at_most(10_000_000, "all images lie in memory, 3 kB each at 32x32")
]
Points = Annotated[int, Field(ge=2), at_most(10_000_000, "all points lie in memory")]
Shown = Annotated[Count, at_most(10_000, "all are drawn into one picture of the report")]
Repeats = Annotated[Count, at_most(100_000, "each takes as long as the first")]
Neighbourhood = Annotated[Count, at_most(10_000, "so many neighbours of every image are sorted")]
SubsetSize = Annotated[
    int, Field(ge=2), at_most(100_000, "the kernel's matrix has the square of it, 80 GB at 100000")
]
Seed = Annotated[int, Field(ge=0), at_most(2**63 - 1, "databases keep integers of 64 bits")]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[
    float,
    Field(ge=0, lt=1, allow_inf_nan=False),
    at_most(0.9999999, "fp32 knows no number between it and 1"),
]
Sigma = Annotated[
    Positive,
    at_least(1e-6, _BESIDE_ONE),
    at_most(65_536, "fp32 has steps of 1/256 there, so the image would be rounded away"),
]
Epsilon = Annotated[
    Positive,
    at_least(1e-14, f"its noise is sqrt(epsilon); {_BESIDE_ONE}"),
    at_most(1e10, "steps at the first level would leave the finite numbers of fp32"),
]
LearningRate = Annotated[
    Positive,
    at_least(1e-12, "fp32 weights would not move"),
    at_most(100.0, "Adam moves every weight by about this in a step, and weights are below 1"),
]
AdamEps = Annotated[
    Positive,
    at_least(1e-30, "in fp32 it would be rounded to zero, and 0/0 is no step"),
    at_most(1.0, "gradients are below 1, so that Adam would hardly move"),
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

"""What the models of all sections are made of: their base and the ranges of single values."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Precision = Literal["auto", "fp32", "bf16"]


class Section(BaseModel):
    """A section of params.yaml: strict types, no unknown keys, no missing keys, immutable."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

"""Section `noise`: the ladder of noise levels, and what the network is trained on."""

from typing import Literal, Self

from pydantic import model_validator

from ncsn.config.sections.kinds import Levels, Section, Sigma


class NoiseParams(Section):
    """The geometric ladder sigma_1 > ... > sigma_L, in units of pixel values in [0, 1].

    The network is trained on this ladder, or on sigmas drawn log-uniformly from a range that
    holds it; every ladder in the range can then be sampled with one training.
    """

    sigma_max: Sigma
    """sigma_1, the largest standard deviation of the noise, 1e-6 to 65,536. The paper has 1;
    NCSNv2 has the largest distance between training images (Technique 1)."""

    sigma_min: Sigma
    """sigma_L, the smallest standard deviation of the noise, 1e-6 to 65,536. The paper has
    0.01."""

    num_levels: Levels
    """L, the number of levels, 1 to 10,000. The paper has 10; NCSNv2 as many as make neighbouring
    levels overlap (Technique 2)."""

    training: Literal["ladder", "continuous"]
    """Whether the network is trained on the levels of the ladder, as in the paper, or on sigmas
    from the range below, for `ncsnv2` alone."""

    range_max: Sigma
    """Largest sigma of a continuous training, 1e-6 to 65,536, at least `sigma_max` there."""

    range_min: Sigma
    """Smallest sigma of a continuous training, 1e-6 to 65,536, at most `sigma_min` there."""

    @model_validator(mode="after")
    def _downhill(self) -> Self:
        if self.num_levels > 1 and self.sigma_max <= self.sigma_min:
            raise ValueError(f"sigma_max: must be larger than noise.sigma_min ({self.sigma_min})")
        if self.num_levels == 1 and self.sigma_max != self.sigma_min:
            raise ValueError(
                f"sigma_max: must equal noise.sigma_min ({self.sigma_min}) when num_levels is 1"
            )
        return self

    @model_validator(mode="after")
    def _inside_the_range(self) -> Self:
        if self.range_max <= self.range_min:
            raise ValueError(f"range_max: must be larger than noise.range_min ({self.range_min})")
        if self.training == "continuous":
            rule = "of the continuous training"
            if self.sigma_max > self.range_max:
                limit = f"noise.range_max ({self.range_max})"
                raise ValueError(f"sigma_max: must not be larger than {limit} {rule}")
            if self.sigma_min < self.range_min:
                limit = f"noise.range_min ({self.range_min})"
                raise ValueError(f"sigma_min: must not be smaller than {limit} {rule}")
        return self

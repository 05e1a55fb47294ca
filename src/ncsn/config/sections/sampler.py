"""Section `sampler`: the Markov chain that draws images."""

from typing import Literal, Self

from pydantic import model_validator

from ncsn.config.sections.kinds import Epsilon, Section, StepsPerLevel


class SamplerParams(Section):
    """The Markov chain on the ladder of the section noise."""

    name: Literal["annealed_langevin", "consistent_annealed"]
    """`annealed_langevin` is the paper's Algorithm 1; `consistent_annealed` takes one step per
    level and keeps the noise at each level's sigma (arXiv 2009.05475)."""

    epsilon: Epsilon
    """Algorithm 1's step size: level i moves by alpha_i / 2 times the score and adds noise
    sqrt(alpha_i), alpha_i = epsilon sigma_i^2 / sigma_L^2. In squared units of pixel values, 1e-14
    to 1e10; annealed Langevin is stable below 4 sigma_L^2. The paper's text has 2e-5, its released
    code moves by 4e-5."""

    steps_per_level: StepsPerLevel
    """T of Algorithm 1, Langevin steps at each level, 1 to 1,000,000; the paper has 100, NCSNv2 3
    to 5. `consistent_annealed` takes 1."""

    final_denoise: bool
    """Whether the chain ends with one step of sigma_L^2 times the score and without noise, as in
    NCSNv2; the paper ends without it."""

    @model_validator(mode="after")
    def _one_step_where_consistent(self) -> Self:
        if self.name == "consistent_annealed" and self.steps_per_level != 1:
            rule = "must be 1 for consistent_annealed; more steps are a ladder of more levels"
            raise ValueError(f"steps_per_level: {rule}")
        return self

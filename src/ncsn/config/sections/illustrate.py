"""Section `illustrate`: inpainting, and images without annealing."""

from typing import Annotated

from pydantic import Field

from ncsn.config.sections.kinds import Section, Shown


class IllustrateParams(Section):
    """How many images are filled in, and how many are drawn without annealing."""

    num_inpainted: Shown
    """Held-out images whose left and right half are filled in (Algorithm 2, Fig. 6), 1 to
    10,000."""

    num_completions: Shown
    """Completions of each half of each of them, 1 to 10,000."""

    num_baseline: Annotated[Shown, Field(ge=2)]
    """Images drawn at the smallest noise alone, without annealing (Fig. 7), 2 to 10,000."""

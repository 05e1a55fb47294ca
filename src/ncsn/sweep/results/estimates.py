"""What the draws of a trial say: those of the search, and the fresh ones that confirm it.

The best of many noisy values is better than it will be again, so where a trial has fresh draws,
they speak for it. A trial counts as drawn again only with as many images as in the search.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ncsn.base.trial_record import TrialRecord
from ncsn.maths.told_apart import Draws, Estimate, by_training, estimate
from ncsn.sweep.search.read import StudyData

SAMPLES = "sample.num_samples"


class Known(NamedTuple):
    """What is known of a trial by one objective.

    Attributes:
        search: the draws of each training of the search.
        fresh: later draws, empty where it was not drawn again.
    """

    search: Draws
    fresh: Draws

    @property
    def draws(self) -> Draws:
        """The draws that speak for the trial."""
        return self.fresh or self.search

    def shown(self) -> Estimate:
        """Returns mean and error of the draws that speak for the trial."""
        return estimate(self.draws)


def known(trial: TrialRecord, data: StudyData, objective: str) -> Known:
    """Returns the draws of a complete trial by one objective."""
    mean = (trial.objectives or ())[list(data.objectives).index(objective)]
    found = trial.by_seed.get(objective)
    search = by_training(found, len(trial.train_seeds)) if found else [[mean]]
    entry = confirmation(trial, data) or {}
    fresh = entry.get("values", {}).get(objective, [])
    return Known(search, by_training(fresh, len(entry.get("train_seeds", ()))))


def confirmation(trial: TrialRecord, data: StudyData) -> Mapping[str, Any] | None:
    """Returns what the study notes of a trial's fresh draws, None without comparable ones.

    An earlier version could draw another number of images, which moves a Frechet distance.
    """
    entry: Mapping[str, Any] | None = data.attrs.get("confirmed", {}).get(str(trial.number))
    if entry is None or entry.get("num_samples") != trial.values.get(SAMPLES):
        return None
    return entry


def estimate_text(found: Estimate) -> str:
    """Returns "1.11 +- 0.07"; the second number, one standard error, needs two draws.

    >>> estimate_text(Estimate(1.1083, 0.12, 0.0693, 3))
    '1.11 +- 0.069'
    """
    error = "" if found.error is None else f" +- {found.error:.2g}"
    return f"{found.mean:.4g}{error}" if found.error is None else f"{found.mean:.3g}{error}"


def drawn_text(draws: Draws, *, fresh: bool = False) -> str:
    """Returns how many draws there are, and of how many trainings if of several.

    >>> drawn_text([[1.0, 2.0], [3.0, 4.0]], fresh=True)
    '2 draws of each of 2 fresh trainings'
    """
    kind = "fresh " if fresh else ""
    if len(draws) > 1:
        return f"{counted(len(draws[0]), 'draw')} of each of {len(draws)} {kind}trainings"
    return counted(len(draws[0]), f"{kind}draw")


def counted(number: int, what: str) -> str:
    """Returns "1 draw" or "2 draws"."""
    return f"{number} {what}{'' if number == 1 else 's'}"

"""The trials that a command line names: the best, or one by its number."""

from ncsn.base.errors import UserError
from ncsn.base.trial_record import TrialRecord
from ncsn.sweep.results.findings import best_trials, different
from ncsn.sweep.search.read import StudyData


def best_of(data: StudyData, count: int) -> list[TrialRecord]:
    """Returns the best trials as reports rank them, equal points once.

    Args:
        data: the study.
        count: the most of them.

    Raises:
        UserError: there is none.
    """
    best = different(best_trials(data))
    if not best:
        raise UserError(f"{data.name}: no trial is complete within the budget")
    return best[:count]


def numbered(data: StudyData, number: int) -> TrialRecord:
    """Returns a complete trial.

    Args:
        data: the study.
        number: of the trial, as `--trial` gave it.

    Raises:
        UserError: it is not there, or not complete; the message names those that are.
    """
    complete = [trial for trial in data.trials if trial.objectives is not None]
    for trial in complete:
        if trial.number == number:
            return trial
    known = ", ".join(str(trial.number) for trial in complete) or "none"
    raise UserError(f"--trial (value {number}): must be a complete trial; there are {known}")

"""How well the points of a study are known, in sentences made from its numbers.

How often they were drawn and trained, what is known of the noise, and what every `+-` is.
"""

from collections.abc import Iterable, Sequence

from ncsn.base.trial_record import TrialRecord
from ncsn.maths.told_apart import LEVEL, Spread
from ncsn.sweep.results.estimates import Known, counted
from ncsn.sweep.search.read import StudyData


def times_drawn(draws: Sequence[Known], spread: Spread, title: str) -> list[str]:
    """Returns how often points were drawn, and what is known of the noise.

    Args:
        draws: of each point.
        spread: of what is independent among them.
        title: of the metric.
    """
    line = f"{_in_the_search(draws)}{_again(draws)}."
    if not spread.dof:
        nothing = "No spread is known, so nothing can be concluded from differences of points"
        return [line, f"{nothing}; raise draws, or budget.confirm and budget.confirm_draws."]
    of_search = [len(one.search) if spread.of_trainings else len(one.search[0]) for one in draws]
    what = "spread of trainings" if spread.of_trainings else "spread"
    whose = "" if max(of_search) > 1 else f" No point of the search has a {what} of its own."
    value = "one draw"
    if spread.of_trainings:
        value = f"one training, as a mean of {counted(len(draws[0].draws[0]), 'draw')},"
    known_from = f"pooled with {counted(spread.dof, 'degree')} of freedom"
    deviation = f"has the standard deviation {spread.std:.2g}, {known_from}."
    return [f"{line}{whose} {title} of {value} {deviation}"]


def _in_the_search(draws: Sequence[Known]) -> str:
    most, trainings = (max(found) for found in zip(*map(_counts, draws), strict=True))
    times = "once" if most == 1 else f"{most} times"
    if trainings == 1:
        return f"Each point was drawn {times} in the search"
    return f"Each point was trained {trainings} times in the search, each network drawn {times}"


def _counts(one: Known) -> tuple[int, int]:
    return len(one.search[0]), len(one.search)


def _again(draws: Sequence[Known]) -> str:
    again = [one.fresh for one in draws if one.fresh]
    if not again:
        return ""
    trainings = max(len(fresh) for fresh in again)
    whose = f" in {trainings} fresh trainings" if trainings > 1 else " with fresh seeds"
    return f", {counted(len(again), 'point')} again{whose}"


def scope(
    trials: Sequence[TrialRecord], draws: Sequence[Known], spread: Spread, data: StudyData
) -> Iterable[str]:
    """Returns what no draw of one network can say: how another training would have come out."""
    if data.attrs.get("model") == "oracle" or len(trials) < 2:
        return
    once = sum(len(one.draws) == 1 for one in draws)
    if once and spread.of_trainings:
        yield (
            f"{counted(once, 'point')} of {len(draws)} had one training; the spread between "
            "trainings, known from the other points, is counted for them, too."
        )
    networks = {trial.train_key for trial in trials}
    unknown = "How much another training would change was not measured"
    if spread.of_trainings:
        return
    if len(networks) == 1:
        yield f"{unknown}: all of this holds for the one network that all points share."
    else:
        yield (
            f"{unknown}: the points have {len(networks)} networks, each trained once, and what "
            "differs may be these networks rather than the values."
        )


def meaning(draws: Sequence[Known], spread: Spread, data: StudyData) -> Iterable[str]:
    """Returns the definitions that the other sentences use."""
    with_error = [one.draws for one in draws if one.shown().error is not None]
    if any(len(one) > 1 for one in with_error):
        yield (
            "+- is one standard error of the mean over a point's trainings, from the spread of "
            "their means; draws of one training are not independent."
        )
    if any(len(one) == 1 for one in with_error):
        whose = "+- is one standard error of the mean over a point's draws"
        if len(with_error) > sum(len(one) == 1 for one in with_error):
            whose = "Of a point with one training it is that over its draws"
        without = "; the spread between trainings is not in it"
        yield f"{whose}{'' if data.attrs.get('model') == 'oracle' else without}."
    if spread.dof:
        yield (
            f"Were all points equal, at most {LEVEL:.0%} of such studies would tell any two apart "
            "(Tukey's range over all means of the study; the spread is pooled from the best point "
            "to the one in question)."
        )

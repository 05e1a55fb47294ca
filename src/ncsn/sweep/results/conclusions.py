"""What can and what cannot be concluded from a study, in sentences made from its numbers.

A difference that draws alone may make is never called one. Every `+-` is one standard error of a
mean, and a sentence says so.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ncsn.base import metric_names as keys
from ncsn.base.trial_record import TrialRecord
from ncsn.maths.told_apart import Draws, Point, Spread, Verdict, nearest_spread, verdicts
from ncsn.sweep.results.drawn import meaning, scope, times_drawn
from ncsn.sweep.results.estimates import Known, counted, drawn_text, estimate_text, known
from ncsn.sweep.results.findings import ORIGINS, best_trials, different
from ncsn.sweep.search.read import StudyData

_TITLES = {measure.key: measure.title for measure in keys.MEASURES}
_MOST_NAMED = 12


class Compared(NamedTuple):
    """A study's points beside its best one, by the first objective.

    Attributes:
        trials: the first trial of each point, the best one first.
        draws: of each.
        verdicts: of each.
        spread: of one draw, or with several trainings of one training, over the best and all that
            cannot be told from it; over the whole study where these do not know it.
    """

    trials: list[TrialRecord]
    draws: list[Known]
    verdicts: list[Verdict]
    spread: Spread

    @property
    def not_told(self) -> list[TrialRecord]:
        """The points that cannot be told from the best, without that one."""
        beside = zip(self.trials[1:], self.verdicts[1:], strict=True)
        return [trial for trial, v in beside if not (v.is_worse or v.is_better)]

    def told(self, which: str) -> list[tuple[Verdict, TrialRecord]]:
        """Returns the points that are `is_worse` or `is_better`, the nearest first."""
        beside = zip(self.verdicts[1:], self.trials[1:], strict=True)
        found = [(v, t) for v, t in beside if getattr(v, which)]
        return sorted(found, key=lambda pair: abs(pair[0].worse_by))


def compared(data: StudyData) -> Compared | None:
    """Returns the points of a study of one objective beside its best; None without any."""
    trials = different(best_trials(data))
    if not trials or len(data.objectives) > 1:
        return None
    name, direction = next(iter(data.objectives.items()))
    draws = [known(trial, data, name) for trial in trials]
    points = [_point(one) for one in draws]
    found = verdicts(points, 0, smaller_is_better=direction == "minimize")
    near = [p for p, v in zip(points, found, strict=True) if not v.is_worse]
    spread = nearest_spread(_groups(near), _groups(points), len(points[0].draws[0]))
    return Compared(trials, draws, found, spread)


def conclusions(data: StudyData) -> list[str]:
    """Returns sentences: how well the points are known, what differs, what does not, for what."""
    if len(data.objectives) > 1:
        return _of_front(data)
    study = compared(data)
    if study is None:
        return []
    title = _title(data)
    lines = [*times_drawn(study.draws, study.spread, title), _best(study, title)]
    if study.spread.dof:
        lines += [*_differences(study, data, title), *_choices(study, data), *_theory(study, data)]
    draws, spread = study.draws, study.spread
    return [*lines, *scope(study.trials, draws, spread, data), *meaning(draws, spread, data)]


def verdict_values(data: StudyData) -> dict[int, bool]:
    """Returns by the number of a trial whether it is told from the best; empty if none can be."""
    study = compared(data)
    if study is None or not study.spread.dof:
        return {}
    apart = {
        trial.number: v.is_worse or v.is_better
        for trial, v in zip(study.trials, study.verdicts, strict=True)
    }
    twins = [t for t in best_trials(data) if t.number not in apart]
    for trial in twins:  # repeated points
        apart[trial.number] = next(apart[o.number] for o in study.trials if o.point == trial.point)
    return apart


def _best(study: Compared, title: str) -> str:
    trial, draws = study.trials[0], study.draws[0]
    shown = f"{title} {estimate_text(draws.shown())}"
    what = f"The best is trial {trial.number} ({_point_text(trial)}): {shown}"
    if not draws.fresh:
        return f"{what} in the search, which is too good: it is the best of {len(study.trials)}."
    seen = estimate_text(Known(draws.search, ()).shown())
    over = drawn_text(draws.fresh, fresh=True)
    return f"{what} over {over}; the search, which chose it, showed {seen}."


def _differences(study: Compared, data: StudyData, title: str) -> list[str]:
    others, same = len(study.trials) - 1, study.not_told
    if not others:
        return ["There is no other point to compare it with."]
    lines = []
    if len(same) == others:
        lines.append(
            f"None of the {counted(others, 'other point')} can be told from it: "
            f"the study shows no effect of {' and '.join(data.axes)} on {title}."
        )
    elif same:
        lines.append(
            f"{len(same)} of {counted(others, 'other point')} cannot be told from it: "
            f"{_numbers(same)}{_ranges([study.trials[0], *same], data)}."
        )
    else:
        lines.append("It can be told from every other point.")
    for which, text in (("is_worse", "worse"), ("is_better", "better in the search alone")):
        found = study.told(which)
        if found:
            (verdict, nearest), plural = found[0], "is" if len(found) == 1 else "are"
            lines.append(
                f"{counted(len(found), 'point')} {plural} {text}, beyond the noise; the nearest "
                f"is trial {nearest.number} ({_point_text(nearest)}) by "
                f"{abs(verdict.worse_by):.2g}, where {verdict.needed:.2g} is needed."
            )
    return lines


def _choices(study: Compared, data: StudyData) -> Iterable[str]:
    """For each scientific axis of choices: which of them have a point that may be the best."""
    near = [study.trials[0], *study.not_told]
    for name in data.spec.get("scientific", []):
        if "choices" not in data.axes.get(name, {}):
            continue
        tried = dict.fromkeys(t.point[name] for t in study.trials if name in t.point)
        left = dict.fromkeys(t.point[name] for t in near if name in t.point)
        if len(tried) > 1 and len(left) == 1:
            yield f"{name}: {_text(*left)} is best, each point of another choice is worse."
        elif len(tried) > 1 and left:
            texts = ", ".join(map(_text, left))
            yield f"{name}: which of {texts} is best cannot be concluded."


def _theory(study: Compared, data: StudyData) -> Iterable[str]:
    """The points that rules and params.yaml give, where they are not the best."""
    for origin in ORIGINS:
        point = data.attrs.get(origin)
        beside = zip(study.trials, study.verdicts, strict=True)
        for trial, verdict in beside if point else ():
            if trial.point != point:
                continue
            name = f"The {origin} point, trial {trial.number},"
            if trial is study.trials[0]:
                yield f"{name} is the best one."
            elif verdict.is_worse:
                need = f"where {verdict.needed:.2g} is needed"
                yield f"{name} is worse than the best by {verdict.worse_by:.2g}, {need}."
            else:
                yield f"{name} cannot be told from the best."


def _of_front(data: StudyData) -> list[str]:
    """A front has no best point: its neighbours are compared by the first objective."""
    trials, title = different(best_trials(data)), _title(data)
    if not trials:
        return []
    name, direction = next(iter(data.objectives.items()))
    draws = [known(trial, data, name) for trial in trials]
    points, told = [_point(one) for one in draws], []
    spread = nearest_spread([], _groups(points), len(points[0].draws[0]))
    lines = times_drawn(draws, spread, title)
    if spread.dof and len(trials) > 1:
        for i, (one, other) in enumerate(pairwise(trials)):
            found = verdicts(points, i, smaller_is_better=direction == "minimize")[i + 1]
            told.append((found.is_worse, f"{one.number} from {other.number}"))
        open_ = [text for is_told, text in told if not is_told]
        lines.append(
            f"{len(told) - len(open_)} of {counted(len(told), 'pair')} of neighbours on the front "
            f"can be told apart by {title}"
            + (f"; not trial {', '.join(open_)}." if open_ else ".")
        )
    return [*lines, *scope(trials, draws, spread, data), *meaning(draws, spread, data)]


def _point(draws: Known) -> Point:
    return Point(draws.draws, [group for group in (draws.search, draws.fresh) if group])


def _groups(points: Iterable[Point]) -> list[Draws]:
    return [group for point in points for group in point.groups]


def _title(data: StudyData) -> str:
    name = next(iter(data.objectives))
    return _TITLES.get(name, name)


def _ranges(trials: Sequence[TrialRecord], data: StudyData) -> str:
    """Where the points lie that cannot be told from the best, on an axis that stands alone."""
    name, axis = next(iter(data.axes.items()))
    if len(data.axes) > 1 or "low" not in axis:
        return ""
    values = [trial.point[name] for trial in trials if name in trial.point]
    return f"; with the best they span {name} {_text(min(values))} to {_text(max(values))}"


def _numbers(trials: Sequence[TrialRecord]) -> str:
    more = f" and {len(trials) - _MOST_NAMED} more" if len(trials) > _MOST_NAMED else ""
    numbers = ", ".join(str(trial.number) for trial in trials[:_MOST_NAMED])
    return f"trial{'' if len(trials) == 1 else 's'} {numbers}{more}"


def _point_text(trial: TrialRecord) -> str:
    return ", ".join(f"{name} {_text(value)}" for name, value in trial.point.items())


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return f"{value:.4g}" if isinstance(value, float) else str(value)

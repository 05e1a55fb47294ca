"""What a study has reached, as lines of text."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ncsn.base.trial_record import State, TrialRecord
from ncsn.sweep.results.estimates import Known, drawn_text, estimate_text, known
from ncsn.sweep.results.findings import best_trials, wall_seconds
from ncsn.sweep.search.membership import complaint_lines
from ncsn.sweep.search.read import StudyData

_ENDINGS: tuple[State, ...] = ("complete", "pruned", "failed")


def trial_line(trial: TrialRecord, objectives: Iterable[str]) -> str:
    """One line for a trial that has ended: its point, what came of it, which stages ran."""
    head = f"trial {trial.number} ({trial.origin}) {point_text(trial.point)}"
    if trial.state != "complete":
        return f"{head}: {trial.state}: {trial.reason}"
    reached = ", ".join(f"{key} {_text(trial.metrics.get(key))}" for key in objectives)
    stages = ", ".join(
        f"{name} {trial.stages[name]}" for name in ("train", "sample") if name in trial.stages
    )
    return f"{head}: {reached}; {stages}; {trial.wall_seconds():.1f} s"


def point_text(point: Mapping[str, Any]) -> str:
    """The point's values, `key value` each."""
    return ", ".join(f"{key} {_text(value)}" for key, value in point.items())


def status_lines(data: StudyData, trials: int) -> list[str]:
    """Progress, speed and time left, best so far, what runs, what failed and why.

    Args:
        data: the study, with trials or without.
        trials: when the study ends.

    Returns:
        Lines of text.
    """
    ended, running = data.ended(), data.running()
    retries = f", {data.num_retries} to be tried again" if data.num_retries else ""
    lines = [
        f"{data.name}: {len(ended)} of {trials} trials ended ({counts(ended)}), "
        f"{len(running)} running{retries}",
        *_speed(ended, trials),
        *_best(data),
    ]
    for trial in running:
        seconds = f"{_seconds_since(trial.started):.0f} s"
        lines.append(f"running: trial {trial.number}, worker {trial.worker}, for {seconds}")
    for state in ("failed", "pruned"):
        lines += [_reason(state, trial) for trial in ended if trial.state == state]
    lines += [_reason("tried again", t) for t in data.trials if t.number in data.replaced]
    return lines + [f"ended with an error: {line}" for line in complaint_lines(data.attrs)]


def numbers(data: StudyData) -> dict[str, float]:
    """Counts of trials by state and the best value of each objective, by name.

    Fresh draws speak for a trial that has them; with one objective the value's standard error and
    what the search showed stand beside it.
    """
    ended, best = Counter(trial.state for trial in data.ended()), best_trials(data)
    found = {f"trials/{state}": float(ended[state]) for state in _ENDINGS}
    for i, (name, direction) in enumerate(data.objectives.items() if best else ()):
        shown = [known(trial, data, name).shown() for trial in best]
        if len(data.objectives) == 1:
            found[f"best/{name}"] = shown[0].mean
            found[f"best/{name}_in_search"] = (best[0].objectives or (math.nan,))[i]
            if shown[0].error is not None:
                found[f"best/{name}_error"] = shown[0].error
        else:
            values = [one.mean for one in shown]
            found[f"best/{name}"] = min(values) if direction == "minimize" else max(values)
    return found


def counts(ended: Iterable[TrialRecord]) -> str:
    """'3 complete, 1 pruned', what is none left out."""
    found = Counter(trial.state for trial in ended)
    return ", ".join(f"{found[state]} {state}" for state in _ENDINGS if found[state]) or "none"


def _speed(ended: list[TrialRecord], trials: int) -> list[str]:
    """Trials per hour of the time in which any trial ran: a study may lie idle for days."""
    busy = wall_seconds(ended)
    if not busy:
        return []
    rate = len(ended) / busy
    left = max(trials - len(ended), 0) / rate
    return [f"{rate * 3600:.0f} trials per hour, {left / 60:.1f} min left"]


def _best(data: StudyData) -> list[str]:
    best, title = best_trials(data), "Pareto front"
    if len(data.objectives) == 1:
        best, title = best[:1], "best"
    lines = []
    for trial in best:
        draws = {name: known(trial, data, name) for name in data.objectives}
        values = ", ".join(f"{name} {estimate_text(d.shown())}" for name, d in draws.items())
        lines.append(f"{title}: trial {trial.number}: {values} at {point_text(trial.point)}")
    return [*lines, *_drawn_again(best[0], data)] if best else []


def _drawn_again(best: TrialRecord, data: StudyData) -> list[str]:
    """From what the best value is, and what `+-` is."""
    name = next(iter(data.objectives))
    draws = known(best, data, name)
    error = "; +- is one standard error" if draws.shown().error is not None else ""
    if error and len(draws.draws) == 1 and data.attrs.get("model") != "oracle":
        error += ", the spread between trainings not in it"
    if draws.fresh:
        seen = estimate_text(Known(draws.search, ()).shown())
        return [f"    {drawn_text(draws.fresh, fresh=True)}, {seen} in the search{error}"]
    return [f"    {drawn_text(draws.search)} of the search, not drawn again{error}"]


def _reason(title: str, trial: TrialRecord) -> str:
    return f"{title}: trial {trial.number}: {trial.reason}"


def _seconds_since(start: str | None) -> float:
    if start is None:
        return 0.0
    begin = datetime.fromisoformat(start)
    return (datetime.now(begin.tzinfo) - begin).total_seconds()


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

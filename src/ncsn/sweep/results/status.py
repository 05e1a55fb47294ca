"""What a study has reached, as lines of text."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from ncsn.base.trial_record import TrialRecord
from ncsn.sweep.results.read import STATES, busy_seconds
from ncsn.sweep.search.storage import Tally, tally


def trial_line(record: TrialRecord, point: Mapping[str, Any], objectives: Iterable[str]) -> str:
    """One line for a trial that has ended: its point, what came of it, which stages ran."""
    values = point_text(point)
    head = f"trial {record.number} ({record.origin}) {values}"
    seconds = f"{record.wall_seconds():.1f} s"
    if record.state != "complete":
        return f"{head}: {record.state}: {record.reason}"
    reached = ", ".join(f"{key} {_text(record.metrics.get(key))}" for key in objectives)
    stages = ", ".join(
        f"{name} {record.stages[name]}" for name in ("train", "sample") if name in record.stages
    )
    return f"{head}: {reached}; {stages}; {seconds}"


def point_text(point: Mapping[str, Any]) -> str:
    """The point's values, `key value` each."""
    return ", ".join(f"{key} {_text(value)}" for key, value in point.items())


def status_lines(study: optuna.Study, trials: int) -> list[str]:
    """Progress, best so far, what runs, what failed and why, speed and time left.

    Args:
        study: with trials or without.
        trials: when the study ends.

    Returns:
        Lines of text.
    """
    now = tally(study.get_trials(deepcopy=False))
    lines = [_progress(study.study_name, now, trials), *_speed(now, trials), *_best(study)]
    for trial in now.running:
        since = f"{_seconds_since(trial.datetime_start):.0f} s"
        lines.append(
            f"running: trial {trial.number}, worker {_attr(trial, 'worker')}, for {since}"
        )
    for state in (TrialState.FAIL, TrialState.PRUNED):
        lines += _reasons(now.ended, state)
    for trial in now.replaced:
        reason = _attr(trial, "reason") or "its worker died"
        lines.append(f"tried again: trial {trial.number}: {reason}")
    return lines


def numbers(study: optuna.Study) -> dict[str, float]:
    """Counts of trials by state and the best value of each objective, by name."""
    ended = tally(study.get_trials(deepcopy=False)).ended
    found = {
        f"trials/{word}": float(sum(trial.state == state for trial in ended))
        for state, word in STATES.items()
        if state != TrialState.RUNNING
    }
    names = study.user_attrs.get("spec", {}).get("objectives", {})
    for i, (name, direction) in enumerate(names.items()):
        values = [trial.values[i] for trial in study.best_trials]
        if values:
            found[f"best/{name}"] = min(values) if direction == "minimize" else max(values)
    return found


def counts(ended: Sequence[FrozenTrial]) -> str:
    """'3 complete, 1 pruned', what is none left out."""
    found = {word: sum(trial.state == state for trial in ended) for state, word in STATES.items()}
    return ", ".join(f"{n} {word}" for word, n in found.items() if n) or "none"


def _progress(name: str, now: Tally, trials: int) -> str:
    queued = f", {len(now.retries)} to be tried again" if now.retries else ""
    return (
        f"{name}: {len(now.ended)} of {trials} trials ended ({counts(now.ended)}), "
        f"{len(now.running)} running{queued}"
    )


def _speed(now: Tally, trials: int) -> list[str]:
    """Trials an hour of the time in which any trial ran: a study may lie idle for days."""
    spans = [
        (trial.datetime_start, trial.datetime_complete)
        for trial in now.ended
        if trial.datetime_start and trial.datetime_complete
    ]
    busy = busy_seconds(spans)
    if not busy:
        return []
    rate = len(spans) / busy
    left = max(trials - len(now.ended), 0) / rate
    return [f"{rate * 3600:.0f} trials an hour, {left / 60:.1f} min left"]


def _best(study: optuna.Study) -> list[str]:
    best = study.best_trials
    names = study.user_attrs.get("spec", {}).get("objectives", {})
    if len(study.directions) == 1:
        best = best[:1]
    lines = []
    for trial in best:
        values = ", ".join(
            f"{name} {value:.4g}" for name, value in zip(names, trial.values, strict=False)
        )
        what = "best" if len(study.directions) == 1 else "Pareto front"
        lines.append(f"{what}: trial {trial.number}: {values} at {point_text(trial.params)}")
    return lines


def _reasons(ended: Sequence[FrozenTrial], state: TrialState) -> list[str]:
    return [
        f"{STATES[state]}: trial {trial.number}: {_attr(trial, 'reason') or 'its worker died'}"
        for trial in ended
        if trial.state == state
    ]


def _attr(trial: FrozenTrial, name: str) -> Any:
    return trial.user_attrs.get(name)


def _seconds_since(start: datetime | None) -> float:
    return (datetime.now(start.tzinfo) - start).total_seconds() if start else 0.0


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

"""Points that are tried again: workers died, stages were killed, or nobody is to blame.

A trial that ended without a result says so in its attributes, and whoever gives out points next
puts its point back into the queue, under the study's lock. So nothing is forgotten when a worker
dies, and nothing is put back twice.
"""

import copy
import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import optuna
from optuna.storages import RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState

from ncsn.config.params import SweepParams
from ncsn.sweep.search.optuna_private import has_heartbeat, set_trial_attr
from ncsn.sweep.search.study import tally

PUT_BACK = "put_back"  # attribute of an ended trial whose point is to be tried again
KILLED = "killed"  # a stage was: it counts as the death of a worker does
KEPT = "kept"  # interrupted, disk full, database lost: it counts as no try
LOST = "the database did not answer, to be tried again"


def put_back(study: optuna.Study, params: SweepParams) -> list[FrozenTrial]:
    """Ends trials of dead workers, and puts all points that are to be tried again into the queue.

    The caller holds the lock of the study.

    Args:
        study: the study.
        params: when a worker counts as dead, and how often a point is tried again for the death of
            its worker or the kill of its stage.

    Returns:
        The trials whose points were put back.
    """
    _end_dead(study, params.grace_sec)
    trials = study.get_trials(deepcopy=False)
    found = [
        trial
        for trial in tally(trials).ended
        if _is_open(trial) and (_is_kept(trial) or _deaths(trial, trials) <= params.max_retry)
    ]
    for trial in found:
        _enqueue(study, trial)
    return found


def give_back(study: optuna.Study, number: int) -> None:
    """Ends a trial whose database was lost; its point is no worse for it.

    Args:
        study: the study.
        number: of the trial; where another worker has ended it, it stays as it is.
    """
    trial = study.get_trials(deepcopy=False)[number]
    if trial.state == TrialState.RUNNING:
        for name, value in {"reason": LOST, PUT_BACK: KEPT}.items():
            set_trial_attr(study, number, name, value)
        study.tell(number, state=TrialState.FAIL)


def retry_line(trial: FrozenTrial) -> str:
    """One line for a trial whose point was put back."""
    reason = trial.user_attrs.get("reason") or "its worker ended without a word"
    return f"trial {trial.number} is tried again: {reason}"


def _is_open(trial: FrozenTrial) -> bool:
    """Whether it says that it is to be tried again, or its worker could say nothing."""
    attrs = trial.user_attrs
    is_silent = attrs.get("finished") is None
    return trial.state == TrialState.FAIL and (PUT_BACK in attrs or is_silent)


def _is_kept(trial: FrozenTrial) -> bool:
    return trial.user_attrs.get(PUT_BACK) == KEPT


def _deaths(trial: FrozenTrial, trials: Sequence[FrozenTrial]) -> int:
    """How often the point was tried in vain, this time included."""
    earlier = [trials[number] for number in trial.system_attrs.get("retry_history", [])]
    return sum(not _is_kept(one) for one in [*earlier, trial])


def _enqueue(study: optuna.Study, trial: FrozenTrial) -> None:
    """As a trial that replaces it; Optuna's own function copies the attributes."""
    again = copy.copy(trial)
    attrs = {key: value for key, value in trial.user_attrs.items() if key != PUT_BACK}
    again.user_attrs = attrs | {"finished": None}
    with _experimental():
        RetryHeartbeatStaleTrialCallback()(study, again)


def _end_dead(study: optuna.Study, grace_sec: int) -> None:
    with _experimental():
        fail_stale_trials(study)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_older(trial, grace_sec) and not has_heartbeat(study, trial.number):
            study.tell(trial.number, state=TrialState.FAIL)  # died before its first heartbeat


def _is_older(trial: FrozenTrial, seconds: int) -> bool:
    started = trial.datetime_start
    return started is not None and datetime.now(started.tzinfo) - started > timedelta(
        seconds=seconds
    )


def _experimental() -> Any:
    """Silences Optuna's warning that a function may change."""
    category = optuna.exceptions.ExperimentalWarning
    return warnings.catch_warnings(action="ignore", category=category)

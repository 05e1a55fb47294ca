"""A study from its opening to its last line: workers are launched, the best are drawn again."""

from collections.abc import Callable, Mapping
from typing import Any

import optuna

from ncsn.base.errors import UserError
from ncsn.sweep.results.status import status_lines
from ncsn.sweep.search.confirm import confirm_best
from ncsn.sweep.search.membership import Limits, complaint_lines, noted_limits
from ncsn.sweep.search.opening import open_study
from ncsn.sweep.search.optuna_private import storage_of
from ncsn.sweep.search.read import read_study
from ncsn.sweep.search.study import tally
from ncsn.sweep.search.tracked import TrackedStudy, sync_at_end
from ncsn.sweep.search.worker import Sweep

Launch = Callable[[int], None]  # starts so many workers and returns when they have ended


def run_study(
    sweep: Sweep, launch: Launch, workers: int, source: Mapping[str, Any], *, fresh: bool = False
) -> None:
    """Runs a study, or goes on with it, until its budget is used; prints how it goes.

    When the search has ended, its best points are drawn again as the budget says. Several hosts
    may do this at once; they share the budget, and one of them draws again.

    Args:
        sweep: the study; its number of trials is cut to the grid's points.
        launch: starts workers.
        workers: their number.
        source: `commit` and `dirty` of the code that trials run.
        fresh: keep an existing study under another name and start anew.

    Raises:
        UserError: the study has trials of another configuration, or its trials fail alike.
        KeyboardInterrupt: Ctrl-C; running trials are back in the queue.
    """
    plan = sweep.plan
    study = open_study(sweep, source, fresh=fresh)
    tracked = TrackedStudy.opened(sweep.track, plan, sweep.store)
    tracked.note(study)
    limits = _limits(study, sweep)
    now = tally(study.get_trials(deepcopy=False))
    before = f"{len(now.ended)} of {limits.trials} trials ended before"
    print(f"{plan.name}: {plan.spec.purpose}\n{before}; {workers} workers", flush=True)
    interrupted = True
    try:
        if len(now.ended) < limits.trials or now.running or now.retries:
            _launched(launch, workers, study)
        confirmed_search(sweep)
        interrupted = False
    finally:
        _report(study, sweep, tracked, interrupted=interrupted)


def confirmed_search(sweep: Sweep) -> None:
    """Draws the best points again as the budget says, while no other host does."""
    plan, budget = sweep.plan, sweep.plan.budget
    with sweep.store.coordinator().lock(confirm_lock(plan.name)):
        storage = sweep.store.opened()
        confirm_best(storage, plan, sweep.pipeline, budget.num_confirmed, budget.confirm_draws)


def confirm_lock(name: str) -> str:
    """Returns the name of the lock under which the best of a study are drawn again."""
    return f"confirm-{name}"


def _launched(launch: Launch, workers: int, study: optuna.Study) -> None:
    try:
        launch(workers)
    except UserError as error:
        noted = "; ".join(complaint_lines(study.user_attrs)) or str(error)
        raise UserError(f"{study.study_name}: {noted}") from None


def _limits(study: optuna.Study, sweep: Sweep) -> Limits:
    return noted_limits(study.user_attrs) or sweep.limits


def _report(
    study: optuna.Study, sweep: Sweep, tracked: TrackedStudy, *, interrupted: bool
) -> None:
    plan = sweep.plan
    data = read_study(storage_of(study), plan.name)
    print("\n".join(status_lines(data, _limits(study, sweep).trials)))
    sync_at_end(sweep.track, storage_of(study), plan, sweep.store.root, interrupted=interrupted)
    name, direction = next(iter(plan.spec.objectives.items()))
    links = tracked.links(name, largest=direction == "maximize")
    if links:
        print("\n".join(["pages of `python pipeline/ui.py`:", *links]), flush=True)

"""The best trials once more: fresh seeds and as many images as wanted; mean and spread."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev

import optuna

from ncsn.sweep.results.read import Tried
from ncsn.sweep.results.status import point_text
from ncsn.sweep.studies.plan import Plan


def confirm_trials(
    study: optuna.Study,
    best: Sequence[Tried],
    plan: Plan,
    main: Path,
    num_seeds: int,
    num_samples: int | None,
    *,
    allow_dirty: bool,
) -> Iterator[str]:
    """Draws trials again, and notes what comes of it in the study as `confirmed`.

    Args:
        study: the trials' own.
        best: the trials to draw again.
        plan: the study's.
        main: the project's top folder.
        num_seeds: repetitions, with seeds that no trial of the study has had.
        num_samples: images a repetition; None takes the preset's full number.
        allow_dirty: run the working tree as it is.

    Yields:
        A line a trial: what the search saw, then mean, spread and number of the fresh values.
    """
    from ncsn.sweep.results.winners import confirm
    from ncsn.sweep.trials.workspace import open_workspace

    workspace = open_workspace(main, 0, allow_dirty=allow_dirty)
    first = plan.seeds()[-1] + 1
    seeds = list(range(first, first + num_seeds))
    count = num_samples or int(plan.full_num_samples())
    for tried in best:
        number = tried.record.number
        outcomes = confirm(workspace, tried.record.values, seeds, count)
        values = {
            name: [float(outcome.metrics[name]) for outcome in outcomes]
            for name in plan.spec.objectives
        }
        known = dict(study.user_attrs.get("confirmed", {}))
        known[str(number)] = {"seeds": seeds, "num_samples": count, "values": values}
        study.set_user_attr("confirmed", known)
        yield f"trial {number} ({point_text(tried.point)}), {count} images:"
        for name, seen in zip(plan.spec.objectives, tried.values or (), strict=True):
            fresh = values[name]
            spread = f" +- {stdev(fresh):.3g}" if len(fresh) > 1 else ""
            yield f"    {name} {seen:.4g} in the search, {fmean(fresh):.4g}{spread} fresh"

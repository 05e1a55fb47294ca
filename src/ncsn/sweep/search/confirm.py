"""The first points of a search drawn again with fresh seeds, which no trial has had.

Their means are no longer chosen for being good. The network of a trial, the number of images and
all other values stay.
"""

import math
from collections.abc import Sequence
from typing import Any

from ncsn.base.errors import Diverged
from ncsn.base.trial_record import TrialRecord
from ncsn.sweep.results.estimates import (
    SAMPLES,
    Known,
    confirmation,
    estimate_text,
    known,
)
from ncsn.sweep.results.findings import different, search_ranking
from ncsn.sweep.results.status import point_text
from ncsn.sweep.search.database import Storage
from ncsn.sweep.search.read import StudyData, read_study
from ncsn.sweep.search.study import load_study, note_confirmed
from ncsn.sweep.studies.plan import Plan, evaluations_of
from ncsn.sweep.studies.study import EVALUATIONS
from ncsn.sweep.trials.pipeline import Pipeline, Reproduce


def confirm_best(
    storage: Storage, plan: Plan, pipeline: Pipeline, points: int, draws: int
) -> None:
    """Draws the best points of the search again, and prints what came of each.

    Points that have so many fresh draws are left alone, and one that leaves the finite numbers
    makes room for the next.

    Args:
        storage: of the studies.
        plan: the study's.
        pipeline: what draws; it is opened only when something is to be drawn.
        points: how many.
        draws: fresh seeds of each.

    Raises:
        UserError: a stage failed.
    """
    reproduce, drawn = None, set[int]()
    seeds = plan.fresh_seeds(draws)
    while True:
        data = read_study(storage, plan.name)
        best = different(search_ranking(data))[:points]
        wanted = [trial for trial in best if not _has(trial, data, seeds)]
        missing = [trial for trial in wanted if trial.number not in drawn]
        if not missing:
            return
        reproduce = reproduce or pipeline.opened(0)
        study = load_study(storage, plan.name)
        for trial in missing:
            drawn.add(trial.number)
            entry = _drawn(trial, plan, seeds, reproduce)
            note_confirmed(study, trial.number, entry)
            print(_line(trial, entry, data), flush=True)


def _has(trial: TrialRecord, data: StudyData, seeds: Sequence[int]) -> bool:
    entry = confirmation(trial, data)
    return entry is not None and set(seeds) <= set(entry["seeds"])


def _drawn(
    trial: TrialRecord, plan: Plan, seeds: Sequence[int], reproduce: Reproduce
) -> dict[str, Any]:
    """What the study notes of a trial's fresh draws."""
    values: dict[str, list[float]] = {name: [] for name in plan.spec.objectives}
    entry = {"seeds": list(seeds), "num_samples": trial.values[SAMPLES]}
    cost = {EVALUATIONS: float(evaluations_of(trial.values))}
    for seed in seeds:
        try:
            outcome = reproduce({**trial.values, "sample.seed": seed}, None)
        except Diverged as error:
            return entry | {"reason": f"diverged with sample.seed {seed}: {error}"}
        for name, found in values.items():
            value = float((cost | dict(outcome.metrics))[name])
            if not math.isfinite(value):
                return entry | {"reason": f"with sample.seed {seed}, {name} is {value}"}
            found.append(value)
    return entry | {"values": values}


def _line(trial: TrialRecord, entry: dict[str, Any], data: StudyData) -> str:
    """What the search saw of a trial beside its fresh draws."""
    head = f"trial {trial.number} drawn again ({point_text(trial.point)})"
    if "reason" in entry:
        return f"{head}: {entry['reason']}; it does not count as best"
    texts = []
    for name, fresh in entry["values"].items():
        seen, now = known(trial, data, name).search, Known((), fresh).shown()
        before = estimate_text(Known(seen, ()).shown())
        texts.append(f"{name} {estimate_text(now)}, in the search {before}")
    return f"{head}: {'; '.join(texts)}"

"""The first points of a search drawn again with fresh seeds, which no trial has had.

Their means are no longer chosen for being good. Where several trainings are asked for, these are
fresh, too, else the network of a trial stays; so do the number of images and all other values.
"""

import math
from typing import Any

from ncsn.base.errors import Diverged
from ncsn.base.trial_record import TrialRecord
from ncsn.maths.told_apart import estimate
from ncsn.sweep.results.estimates import (
    SAMPLES,
    by_training,
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
from ncsn.sweep.studies.seeds import Seeds, fresh_seeds, repeated
from ncsn.sweep.studies.study import EVALUATIONS
from ncsn.sweep.trials.pipeline import Pipeline, Reproduce


def confirm_best(
    storage: Storage,
    plan: Plan,
    pipeline: Pipeline,
    points: int,
    draws: int,
    trainings: int | None = None,
) -> None:
    """Draws the best points of the search again, and prints what came of each.

    Points that have so many fresh draws are left alone, and one that leaves the finite numbers
    makes room for the next.

    Args:
        storage: of the studies.
        plan: the study's.
        pipeline: what draws; it is opened only when something is to be drawn.
        points: how many.
        draws: fresh seeds of each, or of each training.
        trainings: fresh ones of each; one keeps the network of the search, None takes as many as
            the study's budget says.

    Raises:
        UserError: a stage failed.
    """
    reproduce, drawn = None, set[int]()
    trainings = trainings or plan.confirm_trainings

    def seeds_of(trial: TrialRecord) -> Seeds:
        return fresh_seeds(plan, trial.values, trainings, draws)

    while True:
        data = read_study(storage, plan.name)
        best = different(search_ranking(data))[:points]
        wanted = [trial for trial in best if not _has(trial, data, seeds_of(trial))]
        missing = [trial for trial in wanted if trial.number not in drawn]
        if not missing:
            return
        reproduce = reproduce or pipeline.opened(0)
        study = load_study(storage, plan.name)
        for trial in missing:
            drawn.add(trial.number)
            entry = _drawn(trial, plan, seeds_of(trial), reproduce)
            note_confirmed(study, trial.number, entry)
            print(_line(trial, entry, data), flush=True)


def _has(trial: TrialRecord, data: StudyData, seeds: Seeds) -> bool:
    entry = confirmation(trial, data)
    if entry is None:
        return False
    if "train_seeds" not in entry:  # an earlier version kept the network always
        return len(seeds.trainings) == 1 and set(seeds.samples) <= set(entry["seeds"])
    found = Seeds(tuple(entry["train_seeds"]), tuple(entry["seeds"]))
    return set(seeds.pairs()) <= set(found.pairs())


def _drawn(trial: TrialRecord, plan: Plan, seeds: Seeds, reproduce: Reproduce) -> dict[str, Any]:
    """What the study notes of a trial's fresh draws."""
    values: dict[str, list[float]] = {name: [] for name in plan.spec.objectives}
    entry = {
        "seeds": list(seeds.samples),
        "train_seeds": list(seeds.trainings),
        "num_samples": trial.values[SAMPLES],
    }
    cost = {EVALUATIONS: float(evaluations_of(trial.values))}
    pairs = seeds.pairs()
    for (training, seed), changed in zip(pairs, repeated(plan, trial.values, pairs), strict=True):
        which = f"sample.seed {seed}"
        if len(seeds.trainings) > 1:
            which = f"train.seed {training}, {which}"
        try:
            outcome = reproduce(changed, None)
        except Diverged as error:
            return entry | {"reason": f"diverged with {which}: {error}"}
        for name, found in values.items():
            value = float((cost | dict(outcome.metrics))[name])
            if not math.isfinite(value):
                return entry | {"reason": f"with {which}, {name} is {value}"}
            found.append(value)
    return entry | {"values": values}


def _line(trial: TrialRecord, entry: dict[str, Any], data: StudyData) -> str:
    """What the search saw of a trial beside its fresh draws."""
    head = f"trial {trial.number} drawn again ({point_text(trial.point)})"
    if "reason" in entry:
        return f"{head}: {entry['reason']}; it does not count as best"
    texts = []
    for name, values in entry["values"].items():
        seen = known(trial, data, name).search
        now = estimate(by_training(values, len(entry["train_seeds"])))
        before = estimate_text(estimate(seen))
        texts.append(f"{name} {estimate_text(now)}, in the search {before}")
    return f"{head}: {'; '.join(texts)}"

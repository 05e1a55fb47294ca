"""Which axes matter, by two evaluators that answer different questions.

fANOVA (Hutter et al. 2014): the share of the objective's variance over the whole space. PED-ANOVA
(Watanabe et al. 2023): how far the best trials' values of an axis differ from all trials' values;
it looks at the good region alone.
"""

import math
import warnings
from typing import Any

import optuna
from optuna.importance import (
    BaseImportanceEvaluator,
    FanovaImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)
from optuna.trial import FrozenTrial, TrialState

from ncsn.sweep.search.database import Storage
from ncsn.sweep.search.read import StudyData
from ncsn.sweep.search.study import load_study

FANOVA, PED_ANOVA = "fANOVA", "PED-ANOVA"
MIN_TRIALS = 8  # complete ones; with fewer, the forest of fANOVA orders noise
BEST_SHARE = 0.25  # of the trials are PED-ANOVA's good region; few trials need a wide one
_SEED = 1


def importances(storage: Storage, data: StudyData) -> dict[str, dict[str, dict[str, Any]]]:
    """Returns for each objective and evaluator {"shares": {axis: share}} or {"absent": why}.

    Shares sum to 1, the largest first. Axes that only some trials have are left out and named
    under "left_out".

    Args:
        storage: Optuna's, for its evaluators.
        data: the study.
    """
    study = load_study(storage, data.name)
    return {
        objective: {
            name: _importance(study, data, index, evaluator)
            for name, evaluator in (
                (FANOVA, FanovaImportanceEvaluator(seed=_SEED)),
                (PED_ANOVA, PedAnovaImportanceEvaluator(target_quantile=BEST_SHARE)),
            )
        }
        for index, objective in enumerate(data.objectives)
    }


def _importance(
    study: optuna.Study, data: StudyData, index: int, evaluator: BaseImportanceEvaluator
) -> dict[str, Any]:
    complete = [
        trial
        for trial in study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
        if math.isfinite(trial.values[index])
    ]
    shared = _varied_axes(complete)
    distinct = len({trial.values[index] for trial in complete})
    reason = _reason(len(data.axes), len(complete), len(shared), distinct)
    if reason:
        return {"absent": reason}
    sign = 1.0 if list(data.objectives.values())[index] == "minimize" else -1.0

    def target(trial: FrozenTrial) -> float:  # PED-ANOVA takes the smallest targets as the best
        return sign * trial.values[index]

    try:
        with warnings.catch_warnings():  # that targets are minimised, which they are
            warnings.simplefilter("ignore", UserWarning)
            found = get_param_importances(study, evaluator=evaluator, params=shared, target=target)
    except (ValueError, RuntimeError) as error:  # all values equal, for one
        return {"absent": f"the evaluator gives none: {error}"}
    if not sum(found.values()) > 0:
        return {"absent": "no axis makes a difference"}
    left_out = [name for name in data.axes if name not in shared]
    return {"shares": dict(found)} | ({"left_out": left_out} if left_out else {})


def _varied_axes(trials: list[FrozenTrial]) -> list[str]:
    """Axes that every trial has and that took more than one value, in the order of the first."""
    if not trials:
        return []
    return [
        name
        for name in trials[0].params
        if all(name in trial.params for trial in trials)
        and len({trial.params[name] for trial in trials}) > 1
    ]


def _reason(num_axes: int, num_trials: int, num_shared: int, num_values: int) -> str | None:
    if num_axes == 1:
        return "the study has one axis; its share is 1"
    if num_trials < MIN_TRIALS:
        return f"{num_trials} complete trials; at least {MIN_TRIALS} are needed"
    if num_shared < 2:
        return "fewer than two axes are present in all complete trials and took several values"
    if num_values == 1:
        return "all complete trials have the same value"
    return None

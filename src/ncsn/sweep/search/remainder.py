"""What trials.csv and the summary of a study do not say, and a study in a database must have.

With it an export is the whole study: brought into another database it gives the same export.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ncsn.sweep.search.database import Storage
from ncsn.sweep.search.membership import OF_WORKERS
from ncsn.sweep.search.optuna_private import study_system_attrs
from ncsn.sweep.search.study import load_study

SHOWN = ("spec", "size", "model", "commit", "dirty", "advised", "present")  # of the attributes
_ELSEWHERE = ("mlflow_run_id", "mlflow_experiment_id", *OF_WORKERS)  # true of one store alone
_NOT_OURS = ("artifacts:", "dashboard:", "constraints")  # system attributes of images, of notes


def remainder(storage: Storage, name: str) -> dict[str, Any]:
    """Returns the rest of a study as JSON values.

    `attrs` and `system_attrs` are the study's, `shared_values` those of params.yaml that all
    trials set alike, `trials` has for each trial what is its own.

    Args:
        storage: of the studies.
        name: full name.

    Raises:
        UserError: the storage has no such study.
    """
    study = load_study(storage, name)
    trials = study.get_trials(deepcopy=False)
    system = study_system_attrs(study)
    own = {k: v for k, v in study.user_attrs.items() if k not in (*SHOWN, *_ELSEWHERE)}
    shared = _shared([t.user_attrs["values"] for t in trials if "values" in t.user_attrs])
    return {
        "attrs": dict(sorted(own.items())),
        "system_attrs": _ours(system),
        "shared_values": shared,
        "trials": [_rest(trial, shared) for trial in trials],
    }


def _rest(trial: FrozenTrial, shared: Mapping[str, Any]) -> dict[str, Any]:
    """Of one trial; what is empty is left out."""
    attrs = trial.user_attrs
    found: dict[str, Any] = {
        "values": {k: v for k, v in attrs.get("values", {}).items() if k not in shared},
        "trained": attrs.get("trained"),
        "constraints": dict(trial.constraints),
        "system_attrs": _ours(trial.system_attrs),
        "intermediate_values": {
            str(step): value
            for step, value in trial.intermediate_values.items()
            if math.isfinite(value)
        },
    }
    if trial.state == TrialState.WAITING:
        found |= {"state": "waiting", "user_attrs": dict(trial.user_attrs)}
    return {"number": trial.number} | {key: value for key, value in found.items() if value}


def _ours(attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {k: attrs[k] for k in sorted(attrs) if not k.startswith(_NOT_OURS)}


def _shared(values: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Values that all trials set alike: 1, 1.0 and true are three."""
    first: Mapping[str, Any] = values[0] if values else {}
    texts = [{key: json.dumps(value) for key, value in one.items()} for one in values]
    return {k: v for k, v in first.items() if len({text.get(k) for text in texts}) == 1}

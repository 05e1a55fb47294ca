"""The private names of Optuna that sweeps use, all of them.

A study does not give its storage away, and the storage does not say whether a trial has given a
sign of life. `tests/sweep/test_optuna_private.py` holds what is used here against the Optuna that
is installed; where a later one has no table of heartbeats any more, trials without a sign of life
are left to whoever started them.
"""

import importlib
from typing import Any

import optuna
from optuna.storages import BaseStorage
from sqlalchemy.orm import Session

_MODELS, _HEARTBEAT = "optuna.storages._rdb.models", "TrialHeartbeatModel"


def storage_of(study: optuna.Study) -> BaseStorage:
    """Returns the storage of a study as Optuna opened it."""
    return study._storage


def set_trial_attr(study: optuna.Study, number: int, name: str, value: Any) -> None:
    """Notes something of a trial that another process runs."""
    storage_of(study).set_trial_user_attr(_trial_id(study, number), name, value)


def study_system_attrs(study: optuna.Study) -> dict[str, Any]:
    """Returns what Optuna itself noted of a study, such as the names of its metrics."""
    return storage_of(study).get_study_system_attrs(_study_id(study))


def set_study_system_attr(study: optuna.Study, name: str, value: Any) -> None:
    """Notes something as Optuna itself would."""
    storage_of(study).set_study_system_attr(_study_id(study), name, value)


def has_heartbeat(study: optuna.Study, number: int) -> bool:
    """Whether a trial's worker ever gave a sign of life; True where that cannot be known."""
    try:
        model: Any = getattr(importlib.import_module(_MODELS), _HEARTBEAT)
    except (ImportError, AttributeError):
        return True
    storage: Any = storage_of(study)
    with Session(getattr(storage, "_backend", storage).engine) as session:
        return model.where_trial_id(_trial_id(study, number), session) is not None


def _study_id(study: optuna.Study) -> int:
    return storage_of(study).get_study_id_from_name(study.study_name)


def _trial_id(study: optuna.Study, number: int) -> int:
    return storage_of(study).get_trial_id_from_study_id_trial_number(_study_id(study), number)

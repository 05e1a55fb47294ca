"""Notes of studies for optuna-dashboard, where that is installed: purpose and conclusions."""

from importlib import import_module
from importlib.util import find_spec

from ncsn.sweep.results.conclusions import conclusions
from ncsn.sweep.search.database import Storage
from ncsn.sweep.search.read import StudyData
from ncsn.sweep.search.study import load_study


def write_note(storage: Storage, data: StudyData) -> bool:
    """Writes a study's note; returns whether there is anybody to read it.

    Args:
        storage: of the studies.
        data: the study.
    """
    if find_spec("optuna_dashboard") is None:
        return False
    save_note = import_module("optuna_dashboard").save_note  # nothing else needs it

    lines = "\n".join(f"- {line}" for line in conclusions(data))
    purpose = data.spec.get("purpose", data.name)
    save_note(load_study(storage, data.name), f"{purpose}\n\n{lines}\n")
    return True

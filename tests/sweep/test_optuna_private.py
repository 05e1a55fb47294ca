"""The private names of Optuna that are used still have their effect."""

import pytest
from optuna import create_study, load_study
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from ncsn.config.params import SweepParams
from ncsn.sweep.search import optuna_private
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.optuna_private import (
    has_heartbeat,
    set_study_system_attr,
    set_trial_attr,
    storage_of,
    study_system_attrs,
)
from ncsn.sweep.search.retries import put_back
from ncsn.sweep.search.study import tally

pytestmark = [
    pytest.mark.filterwarnings("ignore:Heartbeat of storage"),
    pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning"),
]
PARAMS = SweepParams(storage="sqlite:///sweeps.db", heartbeat_sec=1, grace_sec=3, max_retry=1)


@pytest.fixture
def storage(tmp_path) -> RDBStorage:
    return open_storage(PARAMS, tmp_path)


@pytest.fixture
def study(storage):
    create_study(storage=storage, study_name="other").ask()  # so that ids are no numbers
    return create_study(storage=storage, study_name="one", directions=["minimize", "minimize"])


def test_a_studys_storage_has_all_its_studies(study):
    names = {
        load_study(study_name=n, storage=storage_of(study)).study_name for n in ("one", "other")
    }
    assert names == {"one", "other"}


def test_a_note_about_a_running_trial_is_seen_by_others(study, storage):
    number = study.ask().number
    set_trial_attr(study, number, "reason", "away")
    assert load_study(study_name="one", storage=storage).trials[number].user_attrs == {
        "reason": "away"
    }


def test_what_optuna_notes_of_a_study_can_be_read_and_written(study, storage):
    study.set_metric_names(["fid", "cost"])
    noted = study_system_attrs(study)
    again = create_study(storage=storage, directions=["minimize", "minimize"])
    for name, value in noted.items():
        set_study_system_attr(again, name, value)
    assert again.metric_names == ["fid", "cost"]


def test_whether_a_trial_gave_a_sign_of_life(study, storage):
    silent, living = study.ask(), study.ask()
    storage.record_heartbeat(living._trial_id)
    assert not has_heartbeat(study, silent.number) and has_heartbeat(study, living.number)


def test_without_a_table_of_heartbeats_a_silent_trial_is_left_alone(study, storage, monkeypatch):
    """As with an Optuna that keeps them elsewhere."""
    trial = study.ask()
    young = PARAMS.model_copy(update={"grace_sec": 0})
    monkeypatch.setattr(optuna_private, "_HEARTBEAT", "Renamed")
    assert has_heartbeat(study, trial.number) and put_back(study, young) == []
    monkeypatch.undo()
    put_back(study, young)
    assert [t.state for t in tally(study.trials).replaced] == [TrialState.FAIL]

"""A trial's record goes through JSON attributes and back without loss."""

import json

from ncsn.base.trial_record import TrialRecord

RECORD = TrialRecord(
    number=3,
    state="complete",
    values={"sampler.epsilon": 2e-5, "model.name": "oracle"},
    metrics={"eval/fid": 1.5, "eval/extractor": "classifier"},
    by_seed={"eval/fid": [1.0, 2.0]},
    stages={"train": "cached", "sample": "ran"},
    seconds={"train": 0.25, "sample": 2.0},
    train_key="abc",
    worker="worker-0",
    origin="advised",
    started="2026-01-01T00:00:00+00:00",
    finished="2026-01-01T00:00:03+00:00",
    seeds=(1, 2),
    train_seeds=(5, 6),
)


def test_attributes_are_json_and_give_the_record_back() -> None:
    attrs = json.loads(json.dumps(RECORD.as_attrs()))
    assert TrialRecord.from_attrs(3, "complete", attrs) == RECORD


def test_a_trial_without_attributes_is_a_record() -> None:
    record = TrialRecord.from_attrs(0, "running", {"mlflow_run_id": "x", "reason": None})
    assert record == TrialRecord(0, "running")
    assert not record.networks() and record.wall_seconds() == 0


def test_a_cached_training_did_not_run() -> None:
    assert RECORD.networks() == {"abc": "cached"}
    assert RECORD.wall_seconds() == 2.25

"""A study as a parent run, each of its trials as a child, in an experiment of their own.

Many workers write at once, and any of them may repeat what another one wrote: a run is found by
its study and trial number, every time stamp is the trial's own, and what a run has is not sent
twice. The driver opens the study first, which creates the store under its lock. Where a server
keeps the store, nobody waits for it with a lock that the writer of another trial needs.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from mlflow.entities import Metric, Param, Run, RunTag
from PIL import Image

from ncsn.base import training_names
from ncsn.base.files import read_npz
from ncsn.base.metric_names import MEASURES
from ncsn.base.records import read_log
from ncsn.base.run_record import as_text
from ncsn.base.trial_record import TrialRecord
from ncsn.config.params import TrackParams
from ncsn.data.split import checked_images
from ncsn.maths.told_apart import Draws, by_training
from ncsn.tracking.curve import SAMPLES
from ncsn.tracking.key import KEY_TAG
from ncsn.tracking.results import REPORT, measured_and_constant, sample_grid
from ncsn.tracking.retry import retried
from ncsn.tracking.run import NOTE_TAG, find_or_create_run, find_run
from ncsn.tracking.store import Store, is_served, open_store, store_lock

STATUS = {"complete": "FINISHED", "pruned": "KILLED", "failed": "FAILED", "running": "RUNNING"}
DRAWS_TAG = "ncsn.draws/"  # before a metric: its values at each draw, for each training, as JSON
STUDY_TAG, TRIAL_TAG, STATE_TAG = "ncsn.study", "ncsn.trial", "ncsn.published"
_CURVES = (training_names.TRAIN_LOSS, training_names.VAL_LOSS)
PARENT_TAG = "mlflow.parentRunId"
SWEEPS = "-sweeps"  # behind the name of the experiment of the runs
_INHERITED = ("mlflow.user", "mlflow.source.git.commit", "mlflow.source.git.dirty")
_BATCH = 1000  # MLflow's limit of metrics per request
_TURNS = 64  # trials of a server's store that may be written at once on one host


class StudyRun(NamedTuple):
    """The parent run of a study, open for children.

    Attributes:
        store: the store, with the experiment of the sweeps.
        run_id: the parent.
        name: the study's full name.
        tags: what every child says of itself too.
        axes: params that the study moves.
    """

    store: Store
    run_id: str
    name: str
    tags: dict[str, str]
    axes: tuple[str, ...] = ()


def open_study_run(
    track: TrackParams,
    study_name: str,
    spec: Mapping[str, Any],
    root: str | Path = ".",
    making: AbstractContextManager[object] | None = None,
) -> StudyRun:
    """Finds the parent run of a study or makes it; one that has ended is open again.

    Args:
        track: where the store is; the experiment is its own with `-sweeps` behind the name.
        study_name: full name of the study.
        spec: the study as JSON values; `purpose` becomes the run's description.
        root: folder from which a relative store is taken.
        making: the lock under which a run that is not there is made.

    Raises:
        UserError: the store cannot be opened.
    """
    store = open_store(of_sweeps(track), root)
    key = f"study {study_name}"
    run = retried(find_or_create_run, store, key, study_name, making=making)
    run_id = str(run.info.run_id)
    if run.info.status != STATUS["running"]:
        retried(store.client.update_run, run_id, STATUS["running"])
    if run.data.tags.get(STUDY_TAG) != study_name:
        retried(store.client.log_dict, run_id, dict(spec), "study.json")
        note = str(spec.get("purpose", ""))
        _log(store, run_id, tags={NOTE_TAG: note, STUDY_TAG: study_name})
    tags = {key: run.data.tags[key] for key in _INHERITED if key in run.data.tags}
    return StudyRun(store, run_id, study_name, tags, tuple(spec.get("space", {})))


def publish_trial(study: StudyRun, trial: TrialRecord) -> str:
    """Writes a trial into its child run and returns the run's id; a repetition changes nothing.

    A running trial may be published too, and again when it has ended.

    Raises:
        UserError: the store stays locked or cannot be reached.
    """
    with _turn(study, trial):
        run = retried(_child, study, trial)
        run_id = str(run.info.run_id)
        if run.data.tags.get(STATE_TAG) == trial.state:
            return run_id
        _log(study.store, run_id, _metrics(trial), _params(trial), _tags(trial))
        if trial.samples is not None:
            retried(_publish_grid, study.store, run_id, trial.samples)
        if trial.state != "running":
            end = _milliseconds(trial.finished)
            retried(study.store.client.set_terminated, run_id, STATUS[trial.state], end)
        _log(study.store, run_id, tags={STATE_TAG: trial.state})
    return run_id


def close_study_run(
    study: StudyRun, status: str, metrics: Mapping[str, float], files: Sequence[Path] = ()
) -> None:
    """Ends the parent run with numbers of the whole study and with files such as its report.

    Args:
        study: the parent run.
        status: FINISHED, or KILLED for a study that was interrupted.
        metrics: by name; they are the newest values, earlier ones stay in the history.
        files: artifacts; one of the same name is replaced.
    """
    now = int(time.time() * 1000)
    points = [Metric(key, float(value), now, 0) for key, value in metrics.items()]
    _log(study.store, study.run_id, points)
    for path in files:
        retried(study.store.client.log_artifact, study.run_id, str(path), REPORT)
    retried(study.store.client.set_terminated, study.run_id, status)


def of_sweeps(track: TrackParams) -> TrackParams:
    """Returns the same store with the experiment of the studies."""
    return track.model_copy(update={"experiment": f"{track.experiment}{SWEEPS}"})


def trial_names(study: str, trial: int | str) -> tuple[str, str]:
    """Returns the key and the name of a trial's run."""
    return f"study {study} trial {trial}", f"{study} {trial}"


def _turn(study: StudyRun, trial: TrialRecord) -> FileLock:
    """The lock of the trial's run; SQLite has one writer anyway."""
    uri = study.store.uri
    return store_lock(uri, f"trials-{trial.number % _TURNS}" if is_served(uri) else "trials")


def _child(study: StudyRun, trial: TrialRecord) -> Run:
    client, experiment = study.store.client, study.store.experiment_id
    key, name = trial_names(study.name, trial.number)
    found = find_run(client, experiment, key)
    if found is not None:
        return found
    tags = {KEY_TAG: key, STUDY_TAG: study.name, TRIAL_TAG: str(trial.number)}
    tags |= {PARENT_TAG: study.run_id} | study.tags
    return client.create_run(experiment, _milliseconds(trial.started), tags, name)


def _params(trial: TrialRecord) -> dict[str, str]:
    return {key: as_text(value) for key, value in trial.values.items()}


def _tags(trial: TrialRecord) -> dict[str, str]:
    """Conditions of metrics, how each stage came to its result, and the training's lineage."""
    _, texts = measured_and_constant(trial.metrics)
    texts |= {f"ncsn.stage.{name}": status for name, status in trial.stages.items()}
    own = {
        "ncsn.origin": trial.origin,
        "ncsn.worker": trial.worker,
        "ncsn.train_key": trial.train_key,
        "ncsn.reason": trial.reason,
        "ncsn.train_seeds": json.dumps(list(trial.train_seeds)) if trial.train_seeds else None,
        "ncsn.seeds": json.dumps(list(trial.seeds)) if trial.seeds else None,
    }
    own |= {f"{DRAWS_TAG}{key}": json.dumps(draws) for key, draws in _draws(trial).items()}
    return texts | {key: str(value) for key, value in own.items() if value is not None}


def _draws(trial: TrialRecord) -> dict[str, Draws]:
    found = {measure.key: trial.by_seed.get(measure.key, []) for measure in MEASURES}
    return {k: by_training(v, trial.num_trainings) for k, v in found.items() if v}


def _metrics(trial: TrialRecord) -> list[Metric]:
    """Everything bears the trial's own time, so that sending it twice is the same as once."""
    at = _milliseconds(trial.finished or trial.started) or 0
    numbers, _ = measured_and_constant(trial.metrics)
    numbers |= {f"seconds/{name}": value for name, value in trial.seconds.items()}
    points = [Metric(key, float(value), at, 0) for key, value in numbers.items()]
    return [*points, *_curve(trial, at)] if trial.state != "running" else points


def _curve(trial: TrialRecord, at: int) -> Iterator[Metric]:
    if trial.train_log is None or not trial.train_log.exists():
        return
    for row in read_log(trial.train_log):
        for key in _CURVES:
            if key in row:
                yield Metric(key, float(row[key]), at, row["step"])


def _publish_grid(store: Store, run_id: str, samples: Path) -> None:
    if not samples.exists() or store.client.list_artifacts(run_id, "images"):
        return
    picture = Image.fromarray(sample_grid(checked_images(read_npz(samples), "arr_0", samples)))
    store.client.log_image(run_id, picture, key=SAMPLES, step=0, synchronous=True)


def _log(
    store: Store,
    run_id: str,
    metrics: Sequence[Metric] = (),
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """One request for up to a thousand metrics, params and tags."""
    sent = [Param(key, value) for key, value in (params or {}).items()]
    said = [RunTag(key, value) for key, value in (tags or {}).items()]
    for start in range(0, max(len(metrics), 1), _BATCH):
        batch = metrics[start : start + _BATCH]
        first = start == 0
        retried(
            store.client.log_batch,
            run_id,
            batch,
            sent if first else [],
            said if first else [],
            True,
        )


def _milliseconds(moment: str | None) -> int | None:
    return None if moment is None else int(datetime.fromisoformat(moment).timestamp() * 1000)

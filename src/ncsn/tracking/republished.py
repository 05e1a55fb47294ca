"""A study from its database, as the runs that MLflow lacks: imported ones, and those of an outage.

What MLflow has is left alone, so that a repetition changes nothing. The curve of a training is
known to the worker that ran it alone, and is not brought back.
"""

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Run
from PIL import Image

from ncsn.base.trial_record import TrialRecord
from ncsn.config.params import TrackParams
from ncsn.tracking.curve import SAMPLES
from ncsn.tracking.retry import retried
from ncsn.tracking.run import find_run
from ncsn.tracking.store import Store, open_store
from ncsn.tracking.studies import (
    STATE_TAG,
    STATUS,
    STUDY_TAG,
    TRIAL_TAG,
    StudyRun,
    close_study_run,
    of_sweeps,
    open_study_run,
    publish_trial,
)
from ncsn.tracking.study_pages import study_links

_PAGE = 1000  # runs of one answer of MLflow


@dataclass(frozen=True)
class Ended:
    """What a database knows of a study.

    Attributes:
        name: full name.
        spec: the study file as JSON values.
        trials: those that have ended.
        pictures: gives PNG files of images by number of the trial; called where a trial lacks.
        metrics: numbers of the whole study.
        status: of its own run: FINISHED, KILLED for one that was interrupted, RUNNING.
    """

    name: str
    spec: Mapping[str, Any]
    trials: Iterable[TrialRecord]
    pictures: Callable[[], Mapping[int, bytes]]
    metrics: Mapping[str, float]
    status: str


def republish(track: TrackParams, study: Ended, root: Path) -> int:
    """Publishes the trials that MLflow lacks, or has as running; returns how many.

    Args:
        track: where the store is.
        study: what is to be there.
        root: folder from which a relative store is taken.

    Raises:
        UserError: the store cannot be opened, or does not answer.
    """
    store = open_store(of_sweeps(track), root)
    parent = retried(find_run, store.client, store.experiment_id, f"study {study.name}")
    known = _published(store, study.name) if parent is not None else {}
    missing = [trial for trial in study.trials if known.get(trial.number) != trial.state]
    if not missing and parent is not None and _has_status(parent, study):
        return 0
    run = open_study_run(track, study.name, study.spec, root)
    pictures = study.pictures() if missing else {}
    for trial in missing:
        _publish(run, trial, pictures.get(trial.number))
    if study.status != STATUS["running"]:
        close_study_run(run, study.status, study.metrics)
    for objective, direction in [*study.spec.get("objectives", {}).items()][:1]:
        study_links(run, objective, direction == "maximize")  # leaves the view that they open
    return len(missing)


def _has_status(parent: Run, study: Ended) -> bool:
    """Whether a study that goes on runs, and one that does not has ended, in whatever way."""
    running = STATUS["running"]
    return (parent.info.status == running) == (study.status == running)


def _publish(run: StudyRun, trial: TrialRecord, picture: bytes | None) -> None:
    run_id = publish_trial(run, trial)
    client = run.store.client
    if picture is not None and not retried(client.list_artifacts, run_id, "images"):
        with Image.open(io.BytesIO(picture)) as image:
            retried(client.log_image, run_id, image, key=SAMPLES, step=0, synchronous=True)


def _published(store: Store, name: str) -> dict[int, str]:
    """States of the trials that MLflow has, by number."""
    wanted = f"tags.`{STUDY_TAG}` = '{name}' and tags.`{TRIAL_TAG}` LIKE '%'"
    known, token = dict[int, str](), None
    while True:
        page = retried(
            store.client.search_runs,
            [store.experiment_id],
            wanted,
            max_results=_PAGE,
            page_token=token,
        )
        known |= {int(run.data.tags[TRIAL_TAG]): run.data.tags.get(STATE_TAG, "") for run in page}
        token = page.token
        if not token:
            return known

"""A study that was run elsewhere, as the runs that it would have left here."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from ncsn.base.trial_record import TrialRecord
from ncsn.config.params import TrackParams
from ncsn.tracking.curve import SAMPLES
from ncsn.tracking.run import find_run
from ncsn.tracking.store import open_store
from ncsn.tracking.studies import (
    STATE_TAG,
    STATUS,
    STUDY_TAG,
    TRIAL_TAG,
    close_study_run,
    of_sweeps,
    open_study_run,
    publish_trial,
)
from ncsn.tracking.study_pages import study_links

_MOST = 50_000  # runs of one answer of MLflow


def publish_imported(
    track: TrackParams,
    name: str,
    spec: Mapping[str, Any],
    trials: Iterable[TrialRecord],
    pictures: Mapping[int, Path],
    metrics: Mapping[str, float],
    root: Path,
) -> int:
    """Publishes the trials that MLflow lacks; returns how many.

    Args:
        track: where the store is.
        name: full name of the study.
        spec: the study file as JSON values.
        trials: of the study.
        pictures: PNG files of images by number of the trial.
        metrics: numbers of the whole study.
        root: folder from which a relative store is taken.

    Raises:
        UserError: the store cannot be opened.
    """
    known = _published(track, name, root)
    missing = [trial for trial in trials if known.get(trial.number) != trial.state]
    if not missing:
        return 0
    run = open_study_run(track, name, spec, root)
    for trial in missing:
        run_id = publish_trial(run, trial)
        path = pictures.get(trial.number)
        if path is not None and not run.store.client.list_artifacts(run_id, "images"):
            with Image.open(path) as picture:
                run.store.client.log_image(run_id, picture, key=SAMPLES, step=0, synchronous=True)
    close_study_run(run, STATUS["complete"], metrics)
    objective, direction = next(iter(spec["objectives"].items()))
    study_links(run, objective, direction == "maximize")  # leaves the view that its links open
    return len(missing)


def _published(track: TrackParams, name: str, root: Path) -> dict[int, str]:
    """States of the trials that MLflow has, by number; none where the study's own run is open."""
    store = open_store(of_sweeps(track), root)
    parent = find_run(store.client, store.experiment_id, f"study {name}")
    if parent is None or parent.info.status != STATUS["complete"]:
        return {}
    wanted = f"tags.`{STUDY_TAG}` = '{name}' and tags.`{TRIAL_TAG}` LIKE '%'"
    found = store.client.search_runs([store.experiment_id], wanted, max_results=_MOST)
    return {int(run.data.tags[TRIAL_TAG]): run.data.tags.get(STATE_TAG, "") for run in found}

"""One MLflow run per configuration, found by its key or created.

The key is a tag of the run. A search and the creation that may follow it happen under a lock, so
that two processes with one configuration share one run.
"""

import hashlib
import time
from contextlib import AbstractContextManager

from mlflow import MlflowClient
from mlflow.entities import Run, RunStatus

from ncsn.tracking.environment import origin_tags
from ncsn.tracking.key import KEY_TAG
from ncsn.tracking.store import Store, store_lock

NOTE_TAG = "mlflow.note.content"
FIRST_NAME_TAG, NAME_TAG, NOTED_TAG = "ncsn.first_name", "ncsn.name", "ncsn.noted"  # what we gave
FINISHED = RunStatus.to_string(RunStatus.FINISHED)
RUNNING = RunStatus.to_string(RunStatus.RUNNING)


def find_run(client: MlflowClient, experiment_id: str, key: str) -> Run | None:
    """Returns the oldest run of the configuration `key`, None if there is none."""
    runs = client.search_runs(
        [experiment_id],
        f"tags.`{KEY_TAG}` = '{key}'",
        max_results=1,
        order_by=["attributes.start_time ASC"],
    )
    return runs[0] if runs else None


def find_or_create_run(
    store: Store,
    key: str,
    name: str,
    seconds: float = 0.0,
    making: AbstractContextManager[object] | None = None,
) -> Run:
    """Returns the run of the configuration `key`; a new one is RUNNING and knows its origin.

    Args:
        store: where it is looked for.
        key: of the configuration.
        name: of a new run.
        seconds: since when the work of a new run goes on, results out of DVC's cache included.
        making: the lock of all who may make it, that of this host's users of the store by default.
    """
    found = find_run(store.client, store.experiment_id, key)
    if found is not None:  # mostly; where a server is waited for, without the lock
        return found
    with making or store_lock(store.uri, "runs"):
        found = find_run(store.client, store.experiment_id, key)
        if found is not None:
            return found
        tags = {KEY_TAG: key, FIRST_NAME_TAG: name} | origin_tags()
        begin = int((time.time() - seconds) * 1000)
        return store.client.create_run(store.experiment_id, begin, tags, name)


def describe(client: MlflowClient, run_id: str, name: str, text: str, first: str) -> None:
    """Gives a run its name and description, unless a person has changed what was given last.

    Args:
        client: of the store.
        run_id: the run.
        name: its new name.
        text: its new description, in Markdown.
        first: what earlier versions called it.
    """
    run = client.get_run(run_id)
    tags, digest = run.data.tags, hashlib.sha256(text.encode()).hexdigest()[:16]
    if run.info.run_name in (first, tags.get(NAME_TAG), tags.get(FIRST_NAME_TAG)):
        if run.info.run_name != name:
            client.update_run(run_id, name=name)
        client.set_tag(run_id, NAME_TAG, name)
    note = tags.get(NOTE_TAG, "")
    if not note or hashlib.sha256(note.encode()).hexdigest()[:16] == tags.get(NOTED_TAG):
        client.set_tag(run_id, NOTE_TAG, text)
        client.set_tag(run_id, NOTED_TAG, digest)


def set_status(client: MlflowClient, run_id: str, status: str, seconds: float = 0.0) -> None:
    """Ends or reopens a run; one that has FINISHED is complete and keeps its status and times.

    Args:
        client: of the store.
        run_id: the run.
        status: the new one.
        seconds: how long its work took, interruptions left out; 0 takes the time until now.
    """
    info = client.get_run(run_id).info
    if info.status == FINISHED:
        return
    if status == RUNNING:
        client.update_run(run_id, status=RUNNING)
    else:
        end = info.start_time + int(seconds * 1000) if seconds else None
        client.set_terminated(run_id, status, end)

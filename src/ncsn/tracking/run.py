"""One MLflow run per configuration, found by its key or created.

The key is a tag of the run. A search and the creation that may follow it happen under a lock, so
that two processes with one configuration share one run.
"""

from mlflow import MlflowClient
from mlflow.entities import Run, RunStatus

from ncsn.tracking.environment import origin_tags
from ncsn.tracking.key import KEY_TAG
from ncsn.tracking.store import Store, store_lock

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


def find_or_create_run(store: Store, key: str, name: str) -> Run:
    """Returns the run of the configuration `key`; a new one is RUNNING and knows its origin."""
    with store_lock(store.uri, "runs"):
        found = find_run(store.client, store.experiment_id, key)
        if found is not None:
            return found
        tags = {KEY_TAG: key} | origin_tags()
        return store.client.create_run(store.experiment_id, tags=tags, run_name=name)


def set_status(client: MlflowClient, run_id: str, status: str) -> None:
    """Ends or reopens a run; one that has FINISHED is complete and keeps its status and times."""
    if client.get_run(run_id).info.status == FINISHED:
        return
    if status == RUNNING:
        client.update_run(run_id, status=RUNNING)
    else:
        client.set_terminated(run_id, status)

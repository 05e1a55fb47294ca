"""A comparison in MLflow: a run of its own with the page, and links to the runs it compares."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

from ncsn.base import metric_names as keys
from ncsn.base.run_record import RunRecord
from ncsn.config.params import TrackParams
from ncsn.tracking.environment import origin_tags
from ncsn.tracking.links import artifact_link, compare_link, host_of, view_link
from ncsn.tracking.run import FINISHED, NOTE_TAG
from ncsn.tracking.store import open_store, store_errors
from ncsn.tracking.views import only_runs, put_view, runs_view

COMPARISONS = "-comparisons"  # behind the name of the experiment of the runs
COMPARED_TAG = "ncsn.compared"
PAGE_FOLDER = "comparison"
_LONGEST = 200  # characters of a name


def comparison_links(
    track: TrackParams, runs: Sequence[RunRecord], axes: Sequence[str], root: str | Path = "."
) -> dict[str, str]:
    """Returns addresses that open the runs of the store beside one another; none for one run.

    Args:
        track: where the store is; the view of the runs is kept in their experiment.
        runs: those compared; what lies elsewhere is left out.
        axes: params in which they differ.
        root: folder from which a relative store is taken.
    """
    own = [run for run in runs if run.run_id and run.experiment_id]
    if len(own) < 2:
        return {}
    store = open_store(track, root)
    ids = [str(run.run_id) for run in own]
    experiments = list(dict.fromkeys(str(run.experiment_id) for run in own))
    host = host_of(store.uri)
    links = {"side by side": host + compare_link(experiments, ids)}
    if len(experiments) == 1:
        name = f"ncsn-{hashlib.sha256(''.join(sorted(ids)).encode()).hexdigest()[:8]}"
        view = runs_view(axes or ("sampler.epsilon",), only=only_runs(ids))
        with store_errors(store.uri):
            put_view(store.client, experiments[0], name, view)
        charts = host + view_link(experiments[0], name, "CHART")
        links = {"charts of samples, quality and training": charts} | links
    return links


def publish_comparison(
    track: TrackParams, runs: Sequence[RunRecord], files: Sequence[Path], root: str | Path = "."
) -> str:
    """Makes a run of the experiment of comparisons that holds the files; returns the page's link.

    Args:
        track: where the store is.
        runs: those compared.
        files: the page first.
        root: folder from which a relative store is taken.

    Raises:
        UserError: the store cannot be written.
    """
    other = track.model_copy(update={"experiment": f"{track.experiment}{COMPARISONS}"})
    store = open_store(other, root)
    name = " | ".join(run.name for run in runs)
    name = name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."
    ids = [run.run_id or run.source for run in runs]
    lines = [f"- {run.name}: FID {run.metrics.get(keys.FID, float('nan')):.3g}" for run in runs]
    tags = origin_tags(root) | {COMPARED_TAG: ", ".join(ids), NOTE_TAG: "\n".join(lines)}
    with store_errors(store.uri):
        now = int(time.time() * 1000)
        made = store.client.create_run(store.experiment_id, now, tags, name)
        run_id = str(made.info.run_id)
        for file in files:
            store.client.log_artifact(run_id, str(file), PAGE_FOLDER)
        store.client.set_terminated(run_id, FINISHED)
    path = f"{PAGE_FOLDER}/{files[0].name}"
    return host_of(store.uri) + artifact_link(store.experiment_id, run_id, path)

"""A study in MLflow's pages: its report, its views, and the addresses that open them."""

import base64
import re
from pathlib import Path

from ncsn.base import metric_names as keys
from ncsn.config.params import TrackParams
from ncsn.tracking.links import artifact_link, compare_link, host_of, run_link, view_link
from ncsn.tracking.results import REPORT
from ncsn.tracking.retry import retried
from ncsn.tracking.run import find_run
from ncsn.tracking.store import open_store
from ncsn.tracking.studies import PARENT_TAG, STATUS, StudyRun, of_sweeps
from ncsn.tracking.views import put_view, runs_view

NUM_COMPARED = 10  # MLflow's compare page is slow with more


def publish_study_page(track: TrackParams, name: str, page: Path, root: str | Path = ".") -> str:
    """Puts the page of a study under its parent run; returns the page's address, "" without one.

    Args:
        track: where the store is.
        name: full name of the study.
        page: its index.html; pictures beside it are written into the copy.
        root: folder from which a relative store is taken.
    """
    store = open_store(of_sweeps(track), root)
    found = find_run(store.client, store.experiment_id, f"study {name}")
    if found is None:
        return ""
    run_id = str(found.info.run_id)
    retried(store.client.log_text, run_id, _self_contained(page), f"{REPORT}/{page.name}")
    link = artifact_link(store.experiment_id, run_id, f"{REPORT}/{page.name}")
    return host_of(store.uri) + link


def study_links(study: StudyRun, objective: str = keys.FID, largest: bool = False) -> list[str]:
    """Returns lines "what: address" for the study's charts, table, best runs and parent.

    Args:
        study: the parent run.
        objective: metric by which runs are ordered.
        largest: whether larger values are better.
    """
    experiment = study.store.experiment_id
    best, host = _best_runs(study, objective, largest), host_of(study.store.uri)
    axes = tuple(study.axes) or ("sampler.epsilon",)
    filtered = children_filter(study)
    view = runs_view(axes, objective, only=filtered, descending=largest, parallel_first=True)
    retried(put_view, study.store.client, experiment, study.name, view)
    lines = [
        f"parallel coordinates over the axes: {host}{view_link(experiment, study.name, 'CHART')}",
        f"table of the trials: {host}{view_link(experiment, study.name)}",
    ]
    if len(best) > 1:
        compared = compare_link([experiment], best)
        lines.append(f"best {len(best)} trials side by side: {host}{compared}")
    return [*lines, f"the study: {host}{run_link(experiment, study.run_id)}"]


def children_filter(study: StudyRun) -> str:
    """Returns MLflow's filter for the trials of a study."""
    return f"tags.`{PARENT_TAG}` = '{study.run_id}'"


def _self_contained(page: Path) -> str:
    """The page with its pictures inside: MLflow shows one file, without what lies beside it."""

    def embedded(match: re.Match[str]) -> str:
        picture = page.parent / match[1]
        if not picture.exists():
            return match[0]
        return f'src="data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"'

    return re.sub(r'src="((?:\w+/)?\w+\.png)"', embedded, page.read_text(encoding="utf-8"))


def _best_runs(study: StudyRun, objective: str, largest: bool) -> list[str]:
    order = f"metrics.`{objective}` {'DESC' if largest else 'ASC'}"
    wanted = f"{children_filter(study)} and attributes.status = '{STATUS['complete']}'"
    found = study.store.client.search_runs(
        [study.store.experiment_id], wanted, max_results=NUM_COMPARED, order_by=[order]
    )
    return [str(run.info.run_id) for run in found if objective in run.data.metrics]

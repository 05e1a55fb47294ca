"""Addresses inside MLflow's pages that open the project's runs in the mode that shows them.

Without `workflowType` MLflow 3.17 opens an experiment as one of language-model traces, where no
run can be seen.
"""

import json
from collections.abc import Sequence
from urllib.parse import quote

from ncsn.base.metric_names import FID

_MODE = "workflowType=machine_learning"


def runs_link(experiment_id: str) -> str:
    """The table of all runs, the smallest FID first."""
    return f"/#/experiments/{experiment_id}/runs?{_MODE}&compareRunsMode=TABLE{_order(FID)}"


def charts_link(
    experiment_id: str, only: str = "", order_key: str = "", descending: bool = False
) -> str:
    """Curves, bars and images of runs, over one another.

    Args:
        experiment_id: the experiment.
        only: MLflow's filter of runs; empty takes all.
        order_key: metric that orders them; empty takes the newest first.
        descending: whether the largest value comes first.
    """
    link = f"/#/experiments/{experiment_id}/runs?{_MODE}&compareRunsMode=CHART"
    if only:
        link += f"&searchFilter={quote(only, safe='')}"
    return link + (_order(order_key, descending) if order_key else "")


def run_link(experiment_id: str, run_id: str) -> str:
    """One run with its params, metrics and model."""
    return f"/#/experiments/{experiment_id}/runs/{run_id}?{_MODE}"


def run_record(experiment_id: str, run_id: str, key: str) -> dict[str, str]:
    """What reports/mlflow_run.json says of a run; `url` is its page, without host."""
    url = run_link(experiment_id, run_id)
    return {"run_id": run_id, "experiment_id": experiment_id, "key": key, "url": url}


def curves_link(experiment_id: str, run_id: str) -> str:
    """Curves and images of one run; the page goes on refreshing while the run grows."""
    return f"/#/experiments/{experiment_id}/runs/{run_id}/model-metrics?{_MODE}"


def artifact_link(experiment_id: str, run_id: str, path: str) -> str:
    """A file of one run, shown as MLflow shows its kind."""
    return f"/#/experiments/{experiment_id}/runs/{run_id}/artifacts/{path}?{_MODE}"


def compare_link(experiment_id: str, run_ids: Sequence[str]) -> str:
    """Params and metrics of several runs, side by side."""
    runs, experiments = (
        quote(json.dumps(ids, separators=(",", ":")), safe="")
        for ids in (list(run_ids), [experiment_id])
    )
    return f"/#/compare-runs?runs={runs}&experiments={experiments}&{_MODE}"


def _order(metric: str, descending: bool = False) -> str:
    key = quote(f"metrics.`{metric}`", safe="")
    return f"&orderByKey={key}&orderByAsc={'false' if descending else 'true'}"

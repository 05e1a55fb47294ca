"""Addresses inside MLflow's pages that open the project's runs in the mode that shows them.

Without `workflowType` MLflow 3.17 opens an experiment as one of language-model traces, where no
run can be seen.
"""

import json
from collections.abc import Sequence
from urllib.parse import quote

from ncsn.base.addresses import masked

HOST, PORT = "127.0.0.1", 5000  # of `make ui`; the port is MLflow's own
_MODE = "workflowType=machine_learning"


def view_link(experiment_id: str, view: str, mode: str = "TABLE") -> str:
    """Runs as one of our views has them, as TABLE or CHART; the view names filter and order."""
    where = f"/#/experiments/{experiment_id}/runs?{_MODE}"
    return f"{where}&compareRunsMode={mode}&viewStateShareKey={view}"


def host_of(uri: str) -> str:
    """Where the pages of a store are: at its server, else where `make ui` serves it."""
    return masked(uri.rstrip("/")) if uri.startswith("http") else f"http://{HOST}:{PORT}"


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


def compare_link(experiment_ids: Sequence[str], run_ids: Sequence[str]) -> str:
    """Params and metrics of several runs, side by side."""
    runs, experiments = (
        quote(json.dumps(list(ids), separators=(",", ":")), safe="")
        for ids in (run_ids, experiment_ids)
    )
    return f"/#/compare-runs?runs={runs}&experiments={experiments}&{_MODE}"

"""Addresses inside MLflow's pages that open the project's runs in the mode that shows them.

Without `workflowType` MLflow 3.17 opens an experiment as one of language-model traces, where no
run can be seen.
"""

import json
from collections.abc import Sequence
from urllib.parse import quote

from ncsn.keys import FID

_MODE = "workflowType=machine_learning"


def runs_link(experiment_id: str) -> str:
    """The table of all runs, the smallest FID first."""
    key = quote(f"metrics.`{FID}`", safe="")
    order = f"orderByKey={key}&orderByAsc=true"
    return f"/#/experiments/{experiment_id}/runs?{_MODE}&compareRunsMode=TABLE&{order}"


def charts_link(experiment_id: str) -> str:
    """Curves, bars and images of all runs, over one another."""
    return f"/#/experiments/{experiment_id}/runs?{_MODE}&compareRunsMode=CHART"


def run_link(experiment_id: str, run_id: str) -> str:
    """One run with its params, metrics and model."""
    return f"/#/experiments/{experiment_id}/runs/{run_id}?{_MODE}"


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

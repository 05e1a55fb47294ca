"""What MLflow's pages show at first: columns, order and charts, kept as views of an experiment.

MLflow 3.17 keeps a shared view of its runs page in a tag of the experiment and opens it by
`viewStateShareKey` in the address; a filter or an order in the same address switches it off. Our
views have names that do not change, so that a link stays good while its view is brought up to
date.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from mlflow import MlflowClient

from ncsn.base import metric_names as keys
from ncsn.base import training_names
from ncsn.tracking.curve import PREVIEWS, SAMPLES

RUNS_VIEW = "ncsn"
NEWEST_VIEW = "ncsn-newest"
_TAG = "mlflow.sharedViewState."
_NOT_SHOWN_ALONE = ("eval", "floor", "matched_floor", "oracle", "reference", "sample", "seconds")
_COLUMNS = (
    *("metrics.`eval/fid`", "metrics.`eval/fid_stderr`", "params.`sampler.epsilon`"),
    *("params.`sampler.steps_per_level`", "params.`noise.num_levels`", "params.`noise.sigma_max`"),
    *("params.`noise.sigma_min`", "metrics.`sample/network_evaluations_per_image`"),
)
_NAME = "attributes.`Run Name`"
_QUALITY = (keys.FID, keys.KID_MEAN, keys.PRECISION, keys.RECALL, keys.PIXEL_FRECHET)
_BESIDE = ("oracle/fid", keys.matched(keys.FID))
_AXES = ("sampler.epsilon", "sampler.steps_per_level", "noise.num_levels", "noise.sigma_max")
_SIZES = {"Samples": (1, 620), "Schedule": (1, 420)}  # charts in a row, pixels
_FORM: dict[str, Any] = {
    **{"startTime": "ALL", "lifecycleFilter": "Active", "modelVersionFilter": "All Runs"},
    **{"datasetsFilter": [], "columnWidths": {_NAME: 330}, "runsExpanded": {}},
    **{"runsPinned": [], "runsHidden": [], "runsVisibilityMap": {}, "viewMaximized": False},
    **{"runsHiddenMode": "FIRST_20_RUNS", "runListHidden": False, "groupBy": None},
    **{"groupsExpanded": {}, "isAccordionReordered": True, "hideEmptyCharts": True},
    **{"useGroupedValuesInCharts": True, "autoRefreshEnabled": True},
    "globalLineChartConfig": {
        **{"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""}
    },
}


def put_view(client: MlflowClient, experiment_id: str, name: str, view: Mapping[str, Any]) -> None:
    """Keeps a view under a name, in place of an older one; one that is there is left alone."""
    packed = zlib.compress(json.dumps(view, separators=(",", ":")).encode(), 9)
    value = "deflate;" + base64.b64encode(packed).decode()
    if client.get_experiment(experiment_id).tags.get(_TAG + name) != value:
        client.set_experiment_tag(experiment_id, _TAG + name, value)


def only_runs(run_ids: Sequence[str]) -> str:
    """Returns the filter that keeps these runs alone, for `runs_view`."""
    wanted = ", ".join(f"'{run_id}'" for run_id in run_ids)
    return f"attributes.run_id IN ({wanted})"


def runs_view(
    axes: Sequence[str] = _AXES,
    objective: str = keys.FID,
    *,
    only: str = "",
    descending: bool = False,
    parallel_first: bool = False,
) -> dict[str, Any]:
    """Returns a view: samples first, then quality, the schedule against it, the training.

    Args:
        axes: params that are set against the objective.
        objective: metric by which runs are ordered.
        only: MLflow's filter of runs; empty takes all.
        descending: whether the largest objective comes first.
        parallel_first: parallel coordinates before the samples, as for the trials of a study.
    """
    parallel = _chart("PARALLEL", "axes", 0, selectedParams=list(axes), showAllRuns=True)
    parallel |= {"selectedMetrics": [objective], "displayName": f"{objective} over the axes"}
    sections = {
        "Samples": [_chart("IMAGE", "samples", 0, imageKeys=[SAMPLES], showRunParams=False)],
        "Quality": [_bar("quality", i, key) for i, key in enumerate((*_QUALITY, *_BESIDE))],
        "Schedule": [parallel],
        "Training": _training_charts(),
    }
    order = ["Samples", "Quality", "Schedule", "Training"]
    if parallel_first:
        order = ["Schedule", "Quality", "Samples", "Training"]
    columns = [f"params.`{axis}`" for axis in axes if f"params.`{axis}`" not in _COLUMNS]
    charts = [
        chart | {"metricSectionId": f"ncsn-{name}"} for name in order for chart in sections[name]
    ]
    return _FORM | {
        "searchFilter": only,
        "orderByKey": f"metrics.`{objective}`",
        "orderByAsc": not descending,
        "selectedColumns": [*_COLUMNS, *columns],
        "columnOrder": [_NAME, *_COLUMNS, *columns],  # a width needs an order
        "compareRunCharts": charts,
        "compareRunSections": [_section(name) for name in order]
        + [_section(name, shown=False) for name in (*_NOT_SHOWN_ALONE, "train", "val", "Images")]
        + [_section("Model metrics", shown=False), _section("System metrics", shown=False)],
    }


def _training_charts() -> list[dict[str, Any]]:
    lines = (training_names.TRAIN_LOSS, training_names.VAL_LOSS, training_names.VAL_PIXEL_FRECHET)
    charts = [_line(i, key) for i, key in enumerate(lines)]
    return [*charts, _chart("IMAGE", "previews", 0, imageKeys=[PREVIEWS], showRunParams=False)]


def _line(number: int, key: str) -> dict[str, Any]:
    form: dict[str, Any] = {"metricKey": key, "selectedMetricKeys": [key], "displayName": key}
    form |= {"xAxisKey": "step", "scaleType": "linear", "xAxisScaleType": "linear"}
    form |= {"yAxisKey": "metric", "yAxisExpressions": [], "lineSmoothness": 0, "range": {}}
    form |= {"useGlobalXaxisKey": True, "useGlobalLineSmoothing": True, "ignoreOutliers": False}
    return _chart("LINE", "training", number, selectedXAxisMetricKey="", **form)


def _bar(place: str, number: int, key: str) -> dict[str, Any]:
    return _chart("BAR", place, number, metricKey=key, displayName=key)


def _chart(kind: str, place: str, number: int, **form: Any) -> dict[str, Any]:
    own = {"type": kind, "uuid": f"ncsn-{place}-{number}", "runsCountToCompare": 20}
    return own | {"deleted": False, "isGenerated": False} | form


def _section(name: str, *, shown: bool = True) -> dict[str, Any]:
    columns, height = _SIZES.get(name, (3, 300))
    form = {"uuid": f"ncsn-{name}", "name": name, "display": shown}
    form |= {"columns": columns, "cardHeight": height}
    return form | {"isReordered": True, "deleted": False, "isGenerated": False}

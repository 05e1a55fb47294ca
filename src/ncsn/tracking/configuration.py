"""The run of the present configuration: opened while it trains, completed from its files.

Both ends find the run by its key, so they share it whichever of them comes first, and a
configuration that is run again finds the run it had.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from ncsn.base.files import read_npz
from ncsn.base.metric_names import SAMPLE_DURATION_SEC, TRAIN_DURATION_SEC
from ncsn.base.records import CostRecord, DataRecord, SampleRecord, read_metrics, read_record
from ncsn.config.params import TrackParams
from ncsn.config.paths import PathsParams
from ncsn.data.split import checked_images
from ncsn.runtime.times import noted_seconds
from ncsn.tracking.curve import publish_training
from ncsn.tracking.key import MIRROR_TAG, mirror_key, present_key
from ncsn.tracking.links import run_record
from ncsn.tracking.model import Network, publish_model
from ncsn.tracking.naming import description, run_name
from ncsn.tracking.results import Results, publish_results
from ncsn.tracking.run import FINISHED, NOTE_TAG, describe, find_or_create_run, set_status
from ncsn.tracking.store import Store, open_store, store_errors, store_lock

_MODEL_SECTIONS = ("noise", "model", "train")
_CONTINUOUS = ("training", "range_max", "range_min")


def present_run(store: Store, key: str, data_summary: str | Path, seconds: float = 0.0) -> Run:
    """Returns the run of `key`; `publish_configuration` gives it a name that says more.

    Args:
        store: where it is looked for.
        key: of the configuration.
        data_summary: what `prepare` left.
        seconds: as in `find_or_create_run`.
    """
    name = os.environ.get("DVC_EXP_NAME") or _first_name(_data(data_summary), key)
    return find_or_create_run(store, key, name, seconds)


def publish_configuration(
    paths: PathsParams, track: TrackParams, params: dict[str, Any]
) -> dict[str, str]:
    """Completes the MLflow run of the present configuration from the files of its stages.

    Args:
        paths: where the files lie.
        track: where the store is.
        params: all sections of params.yaml.

    Returns:
        run_id, experiment_id, key, and url: where the run is in MLflow's pages, without host.

    Raises:
        UserError: a file is missing, or the store cannot be opened.
    """
    key, mirror = present_key(paths.data_summary), mirror_key(paths, track)
    trained = params["model"]["name"] != "oracle"  # the exact score is only the data once more
    store = open_store(track)
    results, seconds = _results(paths, params), sum(_durations(paths).values())
    with store_errors(store.uri):
        run = present_run(store, key, paths.data_summary, seconds)
        run_id = str(run.info.run_id)
        with store_lock(store.uri, key):
            logged = publish_training(store.client, run_id, [paths.train_log], paths.previews)
            network = _network(paths, params, results) if track.log_model and trained else None
            model_id = publish_model(store, run_id, network) if network else None
            publish_results(store.client, run_id, results, logged, model_id)
            _describe(store, run, results, key)
            store.client.set_tag(run_id, MIRROR_TAG, mirror)
            set_status(store.client, run_id, FINISHED, seconds)
    return run_record(store.experiment_id, run_id, key)


def _first_name(data: Mapping[str, Any], key: str) -> str:
    return f"{data['name']}-{key[:8]}"


def _describe(store: Store, run: Run, results: Results, key: str) -> None:
    name = run_name(results.params, results.metrics, os.environ.get("DVC_EXP_NAME", ""))
    text = description(results.params, results.metrics, run.data.tags)
    first = _first_name(results.data, key)
    describe(store.client, run.info.run_id, name, text, first)


def _results(paths: PathsParams, params: dict[str, Any]) -> Results:
    metrics = read_metrics(paths.reference_summary) | _sampling_cost(paths, params)
    metrics |= _executions(paths)
    metrics |= read_metrics(paths.oracle_metrics)
    return Results(
        params=params,
        metrics=metrics | read_metrics(paths.metrics) | _durations(paths),
        data=_data(paths.data_summary),
        samples=checked_images(read_npz(paths.samples), "arr_0", paths.samples),
        step=params["train"]["num_steps"] if params["model"]["name"] != "oracle" else 0,
        files=tuple(map(Path, ("dvc.lock", "params.yaml", paths.metrics, paths.oracle_metrics))),
        page=Path(paths.report),
    )


def _data(path: str | Path) -> dict[str, Any]:
    return read_record(path, DataRecord)


def _sampling_cost(paths: PathsParams, params: dict[str, Any]) -> dict[str, Any]:
    """What `sample` counted, under metric names; its params are in the file too, and left out."""
    counted = read_record(paths.sample_summary, SampleRecord)
    left_out = {*params["sample"], "execution"}
    return {f"sample/{key}": counted[key] for key in counted if key not in left_out}


def _executions(paths: PathsParams) -> dict[str, str]:
    """How training and sampling ran, as texts, which become tags."""
    ran = {
        "train": read_record(paths.train_cost, CostRecord)["execution"],
        "sample": read_record(paths.sample_summary, SampleRecord)["execution"],
    }
    return {f"{stage}/{key}": str(ran[stage][key]) for stage in ran for key in ran[stage]}


def _durations(paths: PathsParams) -> dict[str, float]:
    """The seconds of training and drawing, where they were measured on this machine."""
    results = {TRAIN_DURATION_SEC: paths.train_log, SAMPLE_DURATION_SEC: paths.samples}
    noted = {key: noted_seconds(result, paths.work) for key, result in results.items()}
    return {key: seconds for key, seconds in noted.items() if seconds is not None}


def _network(paths: PathsParams, params: dict[str, Any], results: Results) -> Network:
    height, width, channels = results.data["train"]["shape"]
    sections = {name: params[name] for name in _MODEL_SECTIONS}
    if params["noise"]["training"] == "continuous":  # the ladder is not the network's
        sections["noise"] = {name: params["noise"][name] for name in _CONTINUOUS}
    train, name = results.data["train"], params["model"]["name"]
    text = (
        f"Score network `{name}` of {results.data['name']}: {train['count']:,} images of "
        f"{height} x {width} x {channels}, {results.step:,} training steps, averaged weights. "
        "Inputs are noisy images `x` and the index `level` of their noise, 0 the noisiest; the "
        "output is the score."
    )
    tags = {NOTE_TAG: text, "data": results.data["name"], "data.train_sha256": train["sha256"]}
    shape = (channels, height, width)
    return Network(Path(paths.checkpoint), shape, sections, results.step, tags)

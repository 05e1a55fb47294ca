"""One run for one configuration, a mirror of its files, the same however often it is made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ncsn.base.metric_names import SAMPLE_DURATION_SEC, TRAIN_DURATION_SEC
from ncsn.base.yaml_file import read_yaml
from ncsn.builders.score_net import build_score_net, trained_sigmas
from ncsn.builders.training_noise import training_noise
from ncsn.config.params import load_params
from ncsn.runtime.times import note_seconds
from ncsn.tracking.configuration import present_run, publish_configuration
from ncsn.tracking.curve import publish_training
from ncsn.tracking.key import present_key
from ncsn.tracking.store import Store, open_store
from ncsn.train.checkpoint import Checkpoint, save_checkpoint

Edit = Callable[[str, str, Any], None]


def _checkpoint(path: str) -> None:
    params = load_params("noise", "model", "train")
    noise = training_noise(params.noise, params.model.name)
    net = build_score_net(params.model, trained_sigmas(noise), (1, 8, 8))
    described = {name: getattr(params, name).model_dump() for name in ("model", "train")}
    described["noise"] = noise
    weights = net.state_dict()
    save_checkpoint(path, Checkpoint(9, described, (1, 8, 8), weights, weights, {}, {}))


def _publish(log_model: bool = False) -> dict[str, str]:
    params = load_params("paths", "track")
    track = params.track.model_copy(update={"log_model": log_model})
    return publish_configuration(params.paths, track, read_yaml("params.yaml"))


def _store() -> Store:
    return open_store(load_params("track").track)


def _content(run_id: str) -> tuple[dict, dict, dict, int]:
    client = _store().client
    data = client.get_run(run_id).data
    histories = {key: len(client.get_metric_history(run_id, key)) for key in data.metrics}
    files = [entry.path for entry in client.list_artifacts(run_id)]
    images = [entry.path for entry in client.list_artifacts(run_id, "images")]
    return data.params, histories, {"files": sorted(files)}, len(images)


def test_publishing_again_changes_nothing(project: Path) -> None:
    first = _publish()
    before = _content(first["run_id"])
    assert _publish() == first
    assert _content(first["run_id"]) == before
    store = _store()
    assert len(store.client.search_runs([store.experiment_id])) == 1


def test_the_run_holds_what_decides_and_what_came_out(project: Path) -> None:
    run = _store().client.get_run(_publish()["run_id"])
    assert run.info.status == "FINISHED"
    assert run.data.metrics["eval/fid"] == 12.25
    assert run.data.params["sampler.epsilon"] == "0.0001"
    assert run.data.params["noise.num_levels"] == "10"
    assert "classifier" in run.data.tags.values()
    params, histories, artifacts, num_images = _content(run.info.run_id)
    assert histories["train/loss"] == 30 and histories["val/loss"] == 6
    assert histories["train/loss_level_09"] == 30
    assert "dvc.lock" in artifacts["files"]
    assert num_images >= 4  # three previews and the samples


def test_the_seconds_stand_in_the_run_where_they_were_measured(project: Path) -> None:
    run_id = _publish()["run_id"]
    unmeasured = _store().client.get_run(run_id).data.metrics
    assert not {TRAIN_DURATION_SEC, SAMPLE_DURATION_SEC} & set(unmeasured)
    paths = load_params("paths").paths
    note_seconds(paths.train_log, 83.21, paths.work)
    note_seconds(paths.samples, 7.0, paths.work)
    assert _publish()["run_id"] == run_id
    metrics = _store().client.get_run(run_id).data.metrics
    assert (metrics[TRAIN_DURATION_SEC], metrics[SAMPLE_DURATION_SEC]) == (83.2, 7.0)


def test_the_way_back_finds_the_old_run(project: Path, edit_params: Edit) -> None:
    first = _publish()
    edit_params("sampler", "steps_per_level", 11)
    second = _publish()
    assert second["run_id"] != first["run_id"]
    # the training came from the cache, the new run has its whole curve
    assert _content(second["run_id"])[1]["train/loss"] == 30
    edit_params("sampler", "steps_per_level", 10)
    assert _publish()["run_id"] == first["run_id"]


def test_what_decides_no_metric_makes_no_new_run(project: Path, edit_params: Edit) -> None:
    first = _publish()
    edit_params("report", "num_grid_images", 9)
    edit_params("base", "device", "cpu")
    assert _publish()["run_id"] == first["run_id"]


def test_a_training_that_was_cut_back_leaves_no_point_twice(
    project: Path, write_log: Callable[[Path, int], None]
) -> None:
    store, paths = _store(), load_params("paths").paths
    key = present_key(paths.data_summary)
    run_id = present_run(store, key, paths.data_summary).info.run_id
    log = project / "work" / "train_log.jsonl"
    for steps in (400, 250, 700):  # killed at 400, resumed from a checkpoint at 250
        write_log(log, steps)
        publish_training(store.client, run_id, [log], project / "none")
    steps = [m.step for m in store.client.get_metric_history(run_id, "train/loss")]
    assert sorted(steps) == list(range(50, 701, 50))
    assert _publish()["run_id"] == run_id
    assert len(store.client.get_metric_history(run_id, "train/loss")) == 30


def test_configurations_share_the_model_of_a_checkpoint(project: Path, edit_params: Edit) -> None:
    import mlflow

    _checkpoint(load_params("paths").paths.checkpoint)
    first = _publish(log_model=True)
    edit_params("sampler", "steps_per_level", 11)
    second = _publish(log_model=True)
    store = _store()
    models = store.client.search_logged_models([store.experiment_id])
    assert len(models) == 1
    made, linked = (store.client.get_run(r["run_id"]) for r in (first, second))
    assert [m.model_id for m in made.outputs.model_outputs] == [models[0].model_id]
    assert [m.model_id for m in linked.inputs.model_inputs] == [models[0].model_id]

    mlflow.set_tracking_uri(store.uri)
    try:
        model = mlflow.pyfunc.load_model(f"models:/{models[0].model_id}")
    finally:
        mlflow.set_tracking_uri(None)
    x = np.random.default_rng(0).random((2, 1, 8, 8), dtype=np.float32)
    score = model.predict({"x": x, "level": np.array([0, 9])})["score"]
    assert score.shape == x.shape and np.isfinite(score).all()
    assert model.metadata.signature.inputs.input_names() == ["x", "level"]


def test_the_exact_score_is_logged_without_a_curve_or_a_model(
    project: Path, edit_params: Edit
) -> None:
    edit_params("model", "name", "oracle")
    paths = load_params("paths").paths
    Path(paths.train_log).write_text('{"step": 0}\n')
    for image in Path(paths.previews).iterdir():
        image.unlink()
    store, run_id = _store(), _publish(log_model=True)["run_id"]
    run = store.client.get_run(run_id)
    assert run.info.status == "FINISHED" and "train/loss" not in run.data.metrics
    assert run.data.metrics["eval/fid"] == 12.25 and run.data.metrics["oracle/fid"] == 3.5
    assert store.client.search_logged_models([store.experiment_id]) == []
    assert _publish(log_model=True)["run_id"] == run_id


def test_a_file_that_is_missing_is_named(project: Path) -> None:
    from ncsn.base.errors import UserError

    Path(load_params("paths").paths.metrics).unlink()
    with pytest.raises(UserError, match="metrics.json is missing"):
        _publish()

"""Reading a store makes nothing in it; runs are found by name, id, filter; champions are kept."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ncsn.base.errors import UserError
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import load_params
from ncsn.tracking.comparing import comparison_store
from ncsn.tracking.configuration import publish_configuration
from ncsn.tracking.reading import (
    Wanted,
    named_runs,
    read_store,
    wanted_runs,
)
from ncsn.tracking.registry import set_champion
from ncsn.tracking.results import sample_grid
from ncsn.tracking.run import find_or_create_run
from ncsn.tracking.run_images import grid_cells
from ncsn.tracking.store import open_store
from ncsn.tracking.views import put_view, runs_view

Edit = Callable[[str, str, Any], None]
ANY = Wanted(None, None, None, None, 5)


@pytest.fixture
def two(project: Path, edit_params: Edit) -> list[str]:
    """Ids of two runs, of epsilon 1e-4 and 5e-5, made in this order; neither logs a model."""
    edit_params("track", "log_model", False)
    ids = []
    for epsilon in (1e-4, 5e-5):
        edit_params("sampler", "epsilon", epsilon)
        params = load_params("paths", "track")
        record = publish_configuration(params.paths, params.track, read_yaml("params.yaml"))
        ids.append(record["run_id"])
    return ids


def test_runs_are_found_by_name_id_beginning_and_filter(two: list[str]) -> None:
    track = load_params("track").track
    store = read_store(track)
    assert [run.run_id for run in wanted_runs(store, ANY)] == two
    assert [run.run_id for run in wanted_runs(store, ANY._replace(last=1))] == two[1:]
    for name in (two[1], two[1][:8], "digits epsilon=5e-05 FID 12.2", "digits epsilon"):
        (found,) = named_runs(store, name, 3)
        assert found.run_id == two[1]
    assert found.params["sampler.epsilon"] == "5e-05" and found.metrics["eval/fid"] == 12.25
    assert found.texts["eval/extractor"] == "classifier" and len(found.curves["train/loss"]) == 30
    with pytest.raises(UserError, match="several runs are called so: .*; give an id"):
        named_runs(store, "digits", 3)
    assert named_runs(store, "other", 3) == []
    for wrong in (
        {"data": "mnist"},
        {"study": "none"},
        {"tag": ("a", "b")},
        {"since": datetime(2200, 1, 1, tzinfo=UTC)},
    ):
        with pytest.raises(UserError, match="no complete run"):
            wanted_runs(store, ANY._replace(**wrong))
    with pytest.raises(UserError, match="quotes"):
        wanted_runs(store, ANY._replace(data="x' or '1"))


def test_the_images_of_a_run_are_those_that_were_drawn(two: list[str]) -> None:
    run = named_runs(read_store(load_params("track").track), two[0], 3)[0]
    drawn = np.load(load_params("paths").paths.samples)["arr_0"][:100]
    assert run.samples is not None and len(run.samples) == len(drawn)
    scale = run.samples.shape[1] // drawn.shape[1]
    assert (run.samples[:, ::scale, ::scale, :1] == drawn).all()


def test_a_grid_of_wide_images_and_a_short_row_is_cut_right() -> None:
    images = np.random.default_rng(0).integers(0, 200, (13, 4, 8, 3), dtype=np.uint8)
    cells = grid_cells(sample_grid(images), aspect=0.5)
    scale = cells.shape[1] // 4
    assert (cells[:, ::scale, ::scale] == images).all()


def test_reading_makes_neither_store_nor_experiment(project: Path) -> None:
    track = load_params("track").track
    with pytest.raises(UserError, match="no complete run"):
        wanted_runs(read_store(track), ANY)
    store = open_store(track.model_copy(update={"experiment": "Default"}))
    assert [e.name for e in store.client.search_experiments()] == ["Default"]
    Path("mlflow.db").unlink()
    assert comparison_store(track).named("x", 3) == [] and not Path("mlflow.db").exists()


def test_a_name_or_a_note_of_a_person_stays(two: list[str], edit_params: Edit) -> None:
    store = open_store(load_params("track").track)
    store.client.update_run(two[1], name="my favourite")
    store.client.set_tag(two[1], "mlflow.note.content", "see page 3")
    params = load_params("paths", "track")
    publish_configuration(params.paths, params.track, read_yaml("params.yaml"))
    run = store.client.get_run(two[1])
    assert run.info.run_name == "my favourite"
    assert run.data.tags["mlflow.note.content"] == "see page 3"
    assert "FID 12.2" in store.client.get_run(two[0]).data.tags["mlflow.note.content"]


def test_a_comparison_is_logged_beside_the_runs_and_opens_them(two: list[str]) -> None:
    track = load_params("track").track
    store = comparison_store(track)
    runs = store.wanted(None, None, None, None, 5)
    links = store.links(runs, ["sampler.epsilon"])
    page = Path("compare") / "index.html"
    page.parent.mkdir()
    page.write_text("<p>")
    opened = open_store(track)
    published = store.publish(runs, page)["the page in MLflow"]
    assert "artifacts/comparison/index.html" in published
    assert all(run_id in links["side by side"] for run_id in two)
    charts = next(iter(links.values()))
    assert len(charts) < 180 and "viewStateShareKey=ncsn-" in charts
    assert len(opened.client.search_runs([opened.experiment_id])) == 2  # its own experiment
    other = opened.client.get_experiment_by_name("ncsn-comparisons")
    (made,) = opened.client.search_runs([other.experiment_id])
    assert made.data.tags["ncsn.compared"] == ", ".join(two)


def test_a_view_is_written_once(project: Path) -> None:
    store = open_store(load_params("track").track)
    put_view(store.client, store.experiment_id, "v", runs_view())
    before = store.client.get_experiment(store.experiment_id)
    put_view(store.client, store.experiment_id, "v", runs_view())
    after = store.client.get_experiment(store.experiment_id)
    assert after.last_update_time == before.last_update_time
    assert len(after.tags["mlflow.sharedViewState.v"]) < 20_000  # MLflow's limit


def test_a_run_without_a_model_is_no_champion(two: list[str]) -> None:
    track = load_params("track").track
    with pytest.raises(UserError, match="logged no model"):
        set_champion(track, two[0])
    with pytest.raises(
        UserError, match="no such run in the store. Did you mean 'digits FID 12.2'"
    ):
        set_champion(track, "digits FID 13.2")


def test_a_champion_is_a_version_of_its_data_sets_model(project: Path) -> None:
    track = load_params("track").track
    store = open_store(track)
    versions = []
    for key in ("a", "b", "a"):
        run = find_or_create_run(store, key, f"run {key}")
        run_id = run.info.run_id
        if not (run.outputs and run.outputs.model_outputs):
            model = store.client.create_logged_model(store.experiment_id, "m", run_id)
            store.client.finalize_logged_model(model.model_id, "READY")
            from mlflow.entities import LoggedModelOutput

            store.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=1)])
            store.client.log_param(run_id, "data.name", "digits")
        versions.append(set_champion(track, run_id))
    assert [(v.version, v.was) for v in versions] == [("1", None), ("2", "1"), ("1", "2")]
    chosen = store.client.get_model_version_by_alias("ncsn-digits", "champion")
    assert str(chosen.version) == "1"

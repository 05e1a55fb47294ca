"""The real dvc.yaml in a copy of the project, with params that take seconds instead of minutes."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny import ROOT, TINY, environment, output_of, tiny_project

from ncsn.base.records import read_metrics
from ncsn.config.preset import write_values

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A git repository with the project's files, as a fresh clone has them."""
    return tiny_project(tmp_path_factory.mktemp("place") / "project")


def _set(folder: Path, **sections: dict[str, object]) -> None:
    values = {f"{name}.{k}": v for name, keys in sections.items() for k, v in keys.items()}
    write_values(values, folder / "params.yaml")


def _ran(output: str) -> list[str]:
    """Stages that ran, without the one that looks at the user's own files each time."""
    lines = [line for line in output.splitlines() if line.startswith("Running stage")]
    return [name for name in (line.split("'")[1] for line in lines) if name != "source"]


def _run(folder: Path) -> str:
    return json.loads((folder / "reports" / "mlflow_run.json").read_text())["run_id"]


@pytest.mark.parametrize("place", ["mine", "artifacts/mine"])
def test_dvc_removes_no_folder_of_the_users(project, tmp_path, place):
    """DVC empties the outs of a stage before it starts; the paths are checked before that."""
    copy = shutil.copytree(project, tmp_path / "copy", symlinks=True)
    text = (copy / "dvc.yaml").read_text()
    (copy / "dvc.yaml").write_text(
        text.replace("toy_figures: reports/toy", f"toy_figures: {place}")
    )
    (copy / place).mkdir(parents=True)
    (copy / place / "diary").write_text("mine")
    words = ["dvc", "repro", "toy"]
    done = subprocess.run(words, cwd=copy, env=environment(), capture_output=True, text=True)
    assert done.returncode != 0 and place in done.stderr
    assert (copy / place / "diary").read_text() == "mine"


def test_it_runs_once_reruns_what_changed_and_finds_the_way_back(project):
    everything = _ran(output_of(project, "dvc", "repro"))
    assert set(everything) >= {"prepare", "reference", "train", "sample", "evaluate", "track"}
    assert set(everything) >= {"illustrate", "neighbours", "report"}
    first = _run(project)
    assert _ran(output_of(project, "dvc", "repro")) == ["track"]
    metrics = read_metrics(project / "reports" / "metrics.json")
    assert metrics["eval/fid_num_samples"] == 40

    _set(project, sampler={"steps_per_level": 3})
    changed = _ran(output_of(project, "dvc", "repro"))
    assert "sample" in changed and "train" not in changed and "prepare" not in changed
    assert _run(project) != first
    assert "sampler.steps_per_level" in output_of(project, "dvc", "params", "diff")

    _set(project, sampler={"steps_per_level": TINY["sampler.steps_per_level"]})
    assert _ran(output_of(project, "dvc", "repro")) == ["track"]
    assert _run(project) == first


EDITS = {  # of the library; none of them changes a number
    "docstring": ("maths/losses.py", '"""Per-sample denoising', '"""The per-sample denoising'),
    "comment": ("maths/losses.py", "    per_level = 0.5", "    # half of it\n    per_level = 0.5"),
    "message": ("train/checkpoint.py", "is no whole checkpoint", "is not a whole checkpoint"),
    "layout": ("maths/losses.py", "    per_level = 0.5 * (", "    per_level = 0.5*("),
}


@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_that_changes_no_number_runs_the_stage_of_fingerprints_alone(project, kind):
    output_of(project, "dvc", "repro")
    name, old, new = EDITS[kind]
    _edit(project / "src" / "ncsn" / name, old, new)
    assert _ran(output_of(project, "dvc", "repro")) == ["fingerprint", "track"]  # it always runs
    _edit(project / "src" / "ncsn" / name, new, old)


def test_a_key_of_another_section_and_a_constant_of_the_loss_run_what_they_decide(project):
    output_of(project, "dvc", "repro")
    library = project / "src" / "ncsn"
    last = "\n    scales_num_networks: "
    _edit(library / "config" / "sections" / "toy.py", last, f"\n    new_key: int = 0{last}")
    before = (project / "params.yaml").read_text()
    _edit(project / "params.yaml", "\ntoy:\n", "\ntoy:\n  new_key: 1\n")
    ran = _ran(output_of(project, "dvc", "repro"))
    assert "toy" in ran and set(ran) <= {"fingerprint", "toy", "report", "track"}
    (project / "params.yaml").write_text(before)
    _edit(library / "config" / "sections" / "toy.py", f"\n    new_key: int = 0{last}", last)

    loss = library / "maths" / "losses.py"
    # of all levels alike would leave Adam's steps, and the bytes of the images, as they are
    _edit(loss, "(weight_power - 2)", "(weight_power - 3)")
    ran = _ran(output_of(project, "dvc", "repro"))
    assert {"train", "sample", "evaluate"} <= set(ran)
    assert not {"prepare", "reference", "noise"} & set(ran)
    _edit(loss, "(weight_power - 3)", "(weight_power - 2)")


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, file
    file.write_text(text.replace(old, new))


def test_the_benchmark_of_a_run_with_nothing_to_do_finds_nothing_to_do(project):
    output_of(project, "dvc", "repro")
    told = output_of(project, sys.executable, str(ROOT / "benchmarks" / "noop.py"))
    assert told.startswith("no-op dvc repro: ")


def _artifacts_of(project: Path) -> dict[str, str]:
    """Folder of artifacts of each run in the project's store, by the run's id."""
    with sqlite3.connect(project / "mlflow.db") as connection:
        rows = connection.execute("SELECT run_uuid, artifact_uri FROM runs").fetchall()
    connection.close()
    return {name: uri.removeprefix("file://") for name, uri in rows}


def test_the_run_is_in_the_store_whatever_dvc_has_cached(project):
    for path in project.glob("mlflow.db*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert _ran(output_of(project, "dvc", "repro")) == ["track"]
    assert list(_artifacts_of(project)) == [_run(project)]

    output_of(project, "git", "add", "-A")
    output_of(project, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "run")
    before = set(_artifacts_of(project))
    words = ["dvc", "exp", "run", "--temp", "-S", "sample.seed=77"]
    assert "track" in _ran(output_of(project, *words))
    (new,) = set(_artifacts_of(project)) - before  # in the project's store, not the folder's
    assert Path(_artifacts_of(project)[new]).is_relative_to(project / "mlartifacts")
    assert (Path(_artifacts_of(project)[new]) / "metrics.json").is_file()


def test_a_continuous_training_and_the_exact_score_serve_every_ladder(project):
    before = (project / "params.yaml").read_text()
    for name in ("ncsnv2", "oracle"):
        _set(project, model={"name": name}, noise={"training": "continuous", "num_levels": 3})
        assert "train" in _ran(output_of(project, "dvc", "repro", "evaluate"))
        _set(project, noise={"num_levels": 4})
        moved = _ran(output_of(project, "dvc", "repro", "evaluate"))
        assert moved == ["noise", "sample", "evaluate"], name
    (project / "params.yaml").write_text(before)


def test_the_users_images_are_prepared_anew_when_they_have_changed(project):
    before = (project / "params.yaml").read_text()
    photos = project.parent / "photos"
    for number in range(40):
        folder = photos / ("odd" if number % 2 else "even")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    few = {"kid_subset_size": 4}  # the held-out images are eight
    _set(project, data={"name": "folder", "path": str(photos)}, evaluate=few)
    target = ["dvc", "repro", "noise", "prepare"]
    assert "prepare" in _ran(output_of(project, *target))
    first = (project / "artifacts" / "data" / "summary.json").read_text()
    for image in photos.rglob("*.png"):
        os.utime(image, (1, 1))
    shutil.copytree(photos, photos.with_name("copy"))
    shutil.rmtree(photos)
    photos.with_name("copy").rename(photos)
    assert _ran(output_of(project, *target)) == []
    shutil.copy(photos / "even" / "2.png", photos / "even" / "0.png")
    assert _ran(output_of(project, *target)) == ["prepare"]
    second = (project / "artifacts" / "data" / "summary.json").read_text()
    assert second != first
    (photos / "odd").rename(photos / "uneven")  # the order of the classes stays, and the images
    assert _ran(output_of(project, *target)) == ["prepare"]
    assert (project / "artifacts" / "data" / "summary.json").read_text() == second
    shutil.rmtree(photos)
    done = subprocess.run(
        ["dvc", "repro"], cwd=project, env=environment(), capture_output=True, text=True
    )
    (project / "params.yaml").write_text(before)
    told = done.stdout + done.stderr
    assert done.returncode != 0 and f"data.path (value '{photos}'): no such folder" in told
    assert _ran(told) == [] and "Traceback" not in told


def test_a_wrong_key_stops_the_run_before_any_work(project):
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("  learning_rate: ", "  learning_rat: ", 1))
    words = ["dvc", "repro"]
    done = subprocess.run(words, cwd=project, env=environment(), capture_output=True, text=True)
    (project / "params.yaml").write_text(text)
    assert done.returncode != 0
    told = done.stdout + done.stderr
    assert "train.learning_rat" in told and "Did you mean 'train.learning_rate'?" in told
    assert "Traceback" not in told


def test_a_killed_training_leaves_no_orphan_and_goes_on(project):
    # validation and previews are most of the time of so small a training
    seldom = {"validate_every_steps": 200, "preview_every_steps": 200}
    _set(project, train={"num_steps": 400, **seldom})
    with subprocess.Popen(
        ["dvc", "repro", "train"],
        cwd=project,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 120
        while not list(project.glob(".work/train-*/checkpoint.pt")):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    time.sleep(1)
    log = next(project.glob(".work/train-*/train_log.jsonl"))
    size = log.stat().st_size
    time.sleep(2)
    assert log.stat().st_size == size, "an orphan goes on training"
    done = subprocess.run(
        ["dvc", "repro", "train"], cwd=project, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    rows = (project / "artifacts" / "train" / "train_log.jsonl").read_text().splitlines()
    steps = [json.loads(row)["step"] for row in rows]
    assert steps == sorted(set(steps)) and steps[-1] == 400
    assert not list(project.glob(".work/train-*"))

"""Paths of dvc.yaml: whatever they say, a stage tells it before any work and spares all files."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ncsn.base.errors import UserError
from ncsn.base.files import write_json
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import load_params
from ncsn.config.paths import DVC_FILE, PathsParams, load_paths, refuse_users_folders
from ncsn.config.preset import write_values
from ncsn.data.split import Split, write_split

ROOT = Path(__file__).parents[2]
KEYS = tuple(PathsParams.model_fields)
PATHS = load_paths(ROOT).model_dump()
TINY = {
    "base.device": "cpu",
    "noise.num_levels": 2,
    "model.base_channels": 4,
    "train.num_steps": 2,
    "train.warmup_steps": 0,
    "train.batch_size": 4,
    "toy.density_steps": 2,
    "toy.scales_steps": 2,
    "toy.manifold_steps": 2,
    "toy.num_seeds": 1,
    "toy.num_samples": 16,
    "toy.steps_per_level": 2,
    "toy.scales_num_samples": 16,
    "toy.objectives_dims": [2, 8],
    "toy.objectives_num_draws": 2,
    "toy.scales_num_networks": 1,
}
# Of the value of `previews` or `toy_figures`: what belongs to a user, git, DVC or another stage
HOSTILE = [
    *(
        ".",
        "..",
        "../other",
        "./artifacts/x",
        "artifacts/../src",
        "/",
        "/tmp",
        "~",
        "~/x",
        "",
        " ",
    ),
    *("src", "src/ncsn", "pipeline", "tests", "studies", "docs", "benchmarks", ".git", ".git/x"),
    *(".dvc", ".dvc/cache", "params.yaml", "dvc.yaml", "dvc.lock", "raw", "mlartifacts", "mine"),
    *("artifacts", "reports", "Artifacts/x", "artifacts/", "artifacts//x", "artifacts/.git/x"),
    *("reports/sweeps", "reports/sweeps/epsilon-digits", "reports/Sweeps/x", "artifacts/data"),
    *("artifacts/train", "artifacts/train/checkpoint.pt", "artifacts/train/checkpoint.pt/x"),
    *("artifacts/Train/Checkpoint.pt", "reports/metrics.json", ".work", ".work/x", "artifacts/-x"),
    *(
        "artifacts/source",
        "artifacts/source/data.json",
        "artifacts/x.part",
        "artifacts/x.dvc",
        "artifacts/dvc.yaml",
        "artifacts/DVC.lock",
        "artifacts/X.part",
        "artifacts/__pycache__/x",
    ),
    *("artifacts\\x", "artifacts/a\nb", "artifacts/a\0b", "artifacts/${paths.work}", "a" * 300),
    *("artifacts/" + "a" * 300, 3, True, None, ["artifacts/x"], {"x": "artifacts/x"}, 1.5),
    *("artifacts/link/x", "artifacts/link", "artifacts/file"),
]


def _set(project: Path, **paths: Any) -> None:
    """Sets paths over those of the project's own dvc.yaml."""
    _set_block(project, [{"paths": PATHS | paths}])


def _set_block(project: Path, block: Any) -> None:
    _, stages, text = (project / DVC_FILE).read_text().partition("stages:\n")
    (project / DVC_FILE).write_text(f"vars: {json.dumps(block)}\n{stages}{text}")


def _contents(project: Path) -> dict[str, bytes]:
    files = (Path(top) / name for top, _, names in os.walk(project) for name in names)
    return {str(file): file.read_bytes() for file in files}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with prepared images, and with files of a user's wherever some could lie."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (project / DVC_FILE).touch()
    _set(project)
    for name in (
        ".git/HEAD",
        ".dvc/config",
        "mine/file",
        "raw/mine.png",
        "docs/a.md",
        "notes.txt",
    ):
        _write(project / name)
    for name in ("artifacts/file", "artifacts/mine/diary", "reports/mine.json", "../other/file"):
        _write(project / name)
    (project / "artifacts" / "link").symlink_to(project.parent / "other")
    monkeypatch.chdir(project)
    monkeypatch.setenv("NCSN_LIVE", "0")
    return project


@pytest.fixture
def prepared(project: Path) -> Path:
    """The same with all stages, and with what the stages before `train` leave."""
    (project / DVC_FILE).write_text((ROOT / DVC_FILE).read_text())
    for name in ("pipeline", "src"):
        (project / name).symlink_to(ROOT / name)
    write_values(TINY, project / "params.yaml")
    paths = load_paths(project)
    images = np.random.default_rng(0).integers(0, 256, (120, 8, 8, 1), dtype=np.uint8)
    for path in (paths.train_images, paths.test_images):
        write_split(project / path, Split(images, np.arange(120) % 2))
    write_json(project / paths.training_noise, {"training": "ladder", "sigmas": [1.0, 0.5]})
    return project


def _write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"mine\0")


def _stage(name: str) -> None:
    runpy.run_path(str(ROOT / "pipeline" / f"{name}.py"))["main"]()


def test_hostile_paths_are_told_and_nothing_changes(project):
    for key in ("previews", "toy_figures", "checkpoint"):
        for value in HOSTILE:
            if key == "checkpoint" and value in (
                "artifacts/file",  # a file may be replaced by a file
                "artifacts/train/checkpoint.pt",
                "artifacts/train/checkpoint.pt/x",
                "artifacts/Train/Checkpoint.pt",
            ):
                continue
            _set(project, **{key: value})
            before = _contents(project.parent)
            with pytest.raises(UserError, match=r"^dvc\.yaml: paths\.") as error:
                load_paths()
            assert f"paths.{key}" in str(error.value), value
            assert _contents(project.parent) == before
    _set(project)
    load_paths()


@pytest.mark.parametrize(("stage", "key"), [("train", "previews"), ("toy", "toy_figures")])
@pytest.mark.parametrize("value", [".", "src", "..", "/tmp", ".git/x", "mine", "artifacts/mine"])
def test_a_stage_spares_the_users_files(prepared, stage, key, value):
    project = prepared
    _set(project, **{key: value})
    before = _contents(project.parent)
    with pytest.raises(UserError, match=r"paths\.|ncsn did not make it"):
        _stage(stage)
    assert _contents(project.parent) == before


def test_the_first_stage_refuses_folders_that_are_not_the_projects(project):
    refuse_users_folders(load_paths())
    _set(project, toy_figures="artifacts/mine")  # where a file of the user's lies
    with pytest.raises(UserError, match="artifacts/mine is not empty, and ncsn did not make it"):
        refuse_users_folders(load_paths())
    assert (project / "artifacts/mine/diary").read_bytes() == b"mine\0"


@pytest.mark.parametrize(
    ("stage", "key"),
    [pytest.param("train", "previews", marks=pytest.mark.slow), ("toy", "toy_figures")],
)
def test_a_stage_replaces_its_own_folder_and_no_older_one(prepared, stage, key):
    project = prepared
    before = _contents(project.parent)
    for _ in range(2):
        _stage(stage)
    after = _contents(project.parent)
    assert before.items() <= after.items() and len(after) > len(before)
    folder = project / getattr(load_paths(), key)
    (folder / ".made-by-ncsn").unlink()  # as an earlier version of this project left it
    with pytest.raises(UserError, match="ncsn did not make it"):
        _stage(stage)
    assert len(_contents(project.parent)) == len(after) - 1


def test_a_mistake_is_one_line_and_status_2(project):
    _set(project, toy_figures="mine")
    before = _contents(project.parent)
    command = [sys.executable, str(ROOT / "pipeline" / "toy.py")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    rule = "must lie in artifacts/ or reports/ of the project; all other folders are yours"
    assert done.stderr == f"error: dvc.yaml: paths.toy_figures (value 'mine'): {rule}\n"
    assert _contents(project.parent) == before


@pytest.mark.parametrize("key", KEYS)
def test_every_path_is_held_against_every_other_one(project, key):
    for other in KEYS:
        if other != key:
            _set(project, **{key: PATHS[other]})
            with pytest.raises(UserError, match=rf"paths\.{key}"):
                load_paths()
    _set(project, **{key: "src"})
    with pytest.raises(UserError, match=rf"paths\.{key} \(value 'src'\)"):
        load_paths()


def test_other_places_of_the_pipeline_are_allowed(project):
    _set(project, previews="artifacts/elsewhere/x_1-2", metrics="reports/a.json", work=".work/b")
    assert load_paths().previews == "artifacts/elsewhere/x_1-2"
    _set(project, work="artifacts/work")
    with pytest.raises(UserError, match=r"paths\.work .*must be \.work or lie in it"):
        load_paths()


def test_no_folder_may_take_the_place_of_a_file(project):
    (project / "artifacts" / "train" / "checkpoint.pt").mkdir(parents=True)
    with pytest.raises(
        UserError, match=r"paths\.checkpoint .*is a folder now, and a file belongs"
    ):
        load_paths()


@pytest.mark.parametrize("block", [None, {}, [], [{"paths": None}], [{"x": 1}], ["params.yaml"]])
def test_a_missing_block_is_told(project, block):
    _set_block(project, block)
    with pytest.raises(UserError, match=r"dvc\.yaml: vars: must hold one block `paths`"):
        load_paths()


def test_unknown_and_missing_paths_are_named(project):
    others = {key: value for key, value in PATHS.items() if key != "previews"}
    _set_block(project, [{"paths": others | {"prevews": "artifacts/x"}}])
    with pytest.raises(UserError) as error:
        load_paths()
    assert "paths.previews: missing" in str(error.value)
    assert "paths.prevews" in str(error.value) and "'previews'" in str(error.value)


def test_paths_in_params_yaml_are_refused_with_their_new_place(project):
    with open("params.yaml", "a") as file:
        file.write("paths:\n  previews: src\n")
    for names in (("noise",), ("paths",)):
        with pytest.raises(UserError, match=r"params\.yaml: paths: .*stand in dvc\.yaml") as error:
            load_params(*names)
        assert "\n" not in str(error.value)


def test_git_holds_nothing_where_stages_write_except_metrics_and_sweeps():
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not in git")
    document, paths = read_yaml(ROOT / DVC_FILE), load_paths(ROOT)
    metrics = {
        getattr(paths, next(iter(entry)).removeprefix("${paths.").removesuffix("}"))
        for stage in document["stages"].values()
        for entry in stage.get("metrics", [])
    }
    tracked = set(done.stdout.splitlines()) - metrics
    places = [value.rstrip("/") for value in paths.model_dump().values()]
    for name in tracked:
        assert not any(name == place or name.startswith(f"{place}/") for place in places), name

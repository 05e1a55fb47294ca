"""A workspace finds the user's own data, whatever its path; trials rerun what it decides alone."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from ncsn.base.dotted import set_values
from ncsn.base.yaml_file import read_commented, write_commented
from ncsn.config.paths import DATA_SOURCE
from ncsn.sweep.trials.configuration import reproduce_configuration
from ncsn.sweep.trials.workspace import open_workspace

REPOSITORY = Path(__file__).parents[2]
VALUES = {"train.num_steps": 3, "sampler.epsilon": 1.0}


@pytest.fixture
def project(project: Path, git: Any) -> Path:
    """The small project with the real stage `source` before its `prepare`."""
    shutil.copy(REPOSITORY / "pipeline" / "source.py", project / "pipeline")
    document = read_commented(project / "dvc.yaml")
    real = read_commented(REPOSITORY / "dvc.yaml")["stages"]["source"]
    real["deps"] = ["pipeline/source.py"]
    document["stages"]["prepare"]["deps"].append(DATA_SOURCE)
    document["stages"].insert(0, "source", real)
    write_commented(project / "dvc.yaml", document)
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "source")
    return project


def _how(workspace: Any, **changes: Any) -> dict[str, str]:
    outcome = reproduce_configuration(workspace, VALUES | changes)
    return {stage.stage: stage.status for stage in outcome.stages}


@pytest.fixture
def placed(project: Path, git: Any) -> Any:
    """Makes a folder of one image at `path`, or at an absolute one for None, and commits it."""

    def make(path: str | None) -> Path:
        place = project / path if path else project.parent / "photos"
        place.mkdir(parents=True, exist_ok=True)
        (place / "1.png").write_bytes(b"one")
        document = read_commented(project / "params.yaml")
        set_values(document, {"data.name": "folder", "data.path": path or str(place)})
        write_commented(project / "params.yaml", document)
        git(project, "commit", "--quiet", "--all", "-m", "photos")
        return place

    return make


def test_replaced_images_are_prepared_anew(project: Path, placed: Any) -> None:
    place = placed("../photos")
    workspace = open_workspace(project, 0, allow_dirty=False)
    assert set(_how(workspace).values()) == {"ran"}
    (place / "1.png").write_bytes(b"two")
    assert _how(workspace)["prepare"] == "ran"


@pytest.mark.slow
@pytest.mark.parametrize("path", ["photos", "../photos", "../../../photos", None])
def test_a_trial_stands_on_the_users_images_wherever_they_lie(
    project: Path, placed: Any, path: str | None
) -> None:
    place = placed(path)
    workspace = open_workspace(project, 0, allow_dirty=False)
    assert set(_how(workspace).values()) == {"ran"}
    assert _how(workspace, **{"sampler.epsilon": 2.0}) == {
        "source": "ran",
        "prepare": "unchanged",
        "train": "unchanged",
        "sample": "ran",
        "evaluate": "ran",
    }
    second = open_workspace(project, 1, allow_dirty=False)
    assert [*_how(second).values()] == ["ran", "cached", "cached", "cached", "cached"]
    (place / "1.png").write_bytes(b"two")
    assert _how(workspace)["prepare"] == "ran"
    assert _how(second)["prepare"] == "cached"
    (place / "1.png").write_bytes(b"one")
    assert _how(workspace)["prepare"] == "cached"
    shutil.rmtree(place)


def test_without_outside_data_a_trial_looks_and_goes_on(project: Path) -> None:
    workspace = open_workspace(project, 0, allow_dirty=False)
    _how(workspace)
    assert [*_how(workspace).values()] == ["ran", *["unchanged"] * 4]

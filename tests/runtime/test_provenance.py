"""Results are those of the present params and code, or the reason why not is told."""

from pathlib import Path

import pytest
from planted_results import plant_results, project_files

from ncsn.base.files import write_json
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import load_params
from ncsn.config.paths import FINGERPRINTS
from ncsn.config.preset import write_values
from ncsn.runtime.dag import RESULT_STAGES
from ncsn.runtime.provenance import outdated


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with results, as the current folder."""
    monkeypatch.chdir(project_files(tmp_path / "project"))
    plant_results(Path())
    return Path()


def test_results_of_the_present_params_are_told_so(here) -> None:
    assert outdated(RESULT_STAGES) is None
    write_values({"report.num_grid_images": 4, "base.device": "cpu"})  # decide no result
    assert outdated(RESULT_STAGES) is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sampler.epsilon": 2e-4}, "sampler.epsilon is 0.0002 in params.yaml, sample last ran"),
        ({"base.seed": 7}, "base.seed is 7 in params.yaml, prepare last ran with 1234"),
        (
            {"train.num_steps": 900},
            "train.num_steps is 900 in params.yaml, train last ran with 1400",
        ),
        ({"evaluate.kid_subsets": 9}, "evaluate.kid_subsets is 9 in params.yaml, oracle last ran"),
    ],
)
def test_other_params_are_told(here, change, told) -> None:
    write_values(change)
    assert told in str(outdated(RESULT_STAGES))


def test_files_that_are_missing_or_of_somebody_else_are_told(here) -> None:
    paths = load_params("paths").paths
    metrics = Path(paths.metrics).read_text()
    Path(paths.metrics).write_text(metrics.replace("1", "2", 1))
    assert outdated(RESULT_STAGES) == f"{paths.metrics} is not the file that DVC made"
    Path(paths.metrics).write_text(metrics)
    Path(paths.samples).unlink()
    assert str(outdated(RESULT_STAGES)).startswith(f"{paths.samples} is not here")
    (here / "dvc.lock").unlink()
    assert outdated(RESULT_STAGES) == "there is no dvc.lock: DVC has not run here"
    (here / "dvc.lock").write_text("schema: '2.0'\n")
    assert outdated(RESULT_STAGES) == "the stage prepare has not run"


def test_other_code_is_told(here) -> None:
    path = Path(FINGERPRINTS) / "train.json"
    write_json(path, read_yaml(path) | {"ncsn.train.loop": "0" * 16})
    assert outdated(RESULT_STAGES) == "the code of the stage train has changed since it ran"
    path.unlink()
    assert outdated(RESULT_STAGES) == "the code of the stage train has changed since it ran"

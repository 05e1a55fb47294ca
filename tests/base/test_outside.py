"""Which project a folder belongs to, where DVC runs stages in folders of its own."""

from pathlib import Path

import pytest

from ncsn.base.outside import main_project


@pytest.mark.parametrize("inside", ["", "models/ncsn"])
def test_a_temporary_experiment_belongs_to_the_project_that_it_is_of(
    tmp_path: Path, inside: str
) -> None:
    """Also where the project is a subfolder of what DVC manages."""
    repository = tmp_path / "repository"
    temporary = repository / ".dvc" / "tmp" / "exps" / "standalone" / "tmpx"
    for folder in (repository, temporary):
        (folder / ".dvc").mkdir(parents=True, exist_ok=True)
        (folder / inside).mkdir(parents=True, exist_ok=True)
        (folder / inside / "dvc.yaml").touch()
    assert main_project(temporary / inside) == repository / inside
    assert main_project(repository / inside) == repository / inside


def test_a_project_that_only_lies_in_such_a_folder_is_its_own(tmp_path: Path) -> None:
    inner = tmp_path / ".dvc" / "tmp" / "exps" / "mine"
    (inner / ".dvc").mkdir(parents=True)
    (inner / "dvc.yaml").touch()
    assert main_project(inner) == inner  # no project lies above it

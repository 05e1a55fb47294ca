"""Only folders that this project made are replaced or removed."""

import os
from pathlib import Path

import pytest

from ncsn.base.errors import UserError
from ncsn.base.files import whole_folder
from ncsn.base.marked import MARK, mark_folder, remove_marked
from ncsn.runtime import unfinished as work


def _own_file(folder: Path) -> Path:
    """A file of a user's, in a folder of the user's own."""
    folder.mkdir(parents=True)
    file = folder / "diary.txt"
    file.write_bytes(b"\x00mine\n")
    return file


def test_a_folder_of_somebody_else_is_told_before_any_work_and_stays(tmp_path):
    file = _own_file(tmp_path / "out")
    with pytest.raises(
        UserError, match="out is not empty, and ncsn did not make it.*move it away"
    ):
        with whole_folder(tmp_path / "out"):
            raise AssertionError("work has begun")
    assert file.read_bytes() == b"\x00mine\n" and os.listdir(tmp_path) == ["out"]


def test_a_folder_that_has_the_name_of_the_mark_is_no_mark(tmp_path):
    file = _own_file(tmp_path / "out" / MARK)
    with pytest.raises(UserError, match="did not make it"), whole_folder(tmp_path / "out"):
        raise AssertionError("work has begun")
    assert file.read_bytes() == b"\x00mine\n"


def test_a_folder_that_somebody_fills_meanwhile_stays(tmp_path):
    with pytest.raises(UserError, match="did not make it"), whole_folder(tmp_path / "out"):
        file = _own_file(tmp_path / "out")
    assert file.read_bytes() == b"\x00mine\n" and os.listdir(tmp_path) == ["out"]


def test_an_empty_folder_is_taken_and_a_marked_one_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    for name in ("a", "b"):
        with whole_folder(tmp_path / "out") as folder:
            (folder / name).touch()
    assert sorted(os.listdir(tmp_path / "out")) == [MARK, "b"]


@pytest.mark.parametrize("is_link", [False, True])
def test_a_file_or_a_link_is_no_folder_of_ours(tmp_path, is_link):
    file = _own_file(tmp_path / "mine")
    mark_folder(file.parent)  # a link to a marked folder may come from anywhere, too
    path = tmp_path / "out"
    path.symlink_to(file.parent) if is_link else path.write_text("mine")
    with pytest.raises(UserError, match=r"out is (a link|no folder)"), whole_folder(path):
        pass
    with pytest.raises(UserError):
        remove_marked(path)
    assert file.exists() and path.is_symlink() == is_link


def test_what_a_marked_folder_links_to_stays(tmp_path):
    file = _own_file(tmp_path / "mine")
    with whole_folder(tmp_path / "out") as folder:
        (folder / "link").symlink_to(file.parent)
    remove_marked(tmp_path / "out")
    assert file.exists() and os.listdir(tmp_path) == ["mine"]


def test_a_removal_that_was_killed_can_be_done_again(tmp_path, monkeypatch):
    mark_folder(tmp_path)
    (tmp_path / "file").touch()

    unlink = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.name == "file":
            raise KeyboardInterrupt
        unlink(path, missing_ok)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        # the file is met after the mark, whatever the order of the file system
        patch.setattr(Path, "iterdir", lambda _: iter([tmp_path / MARK, tmp_path / "file"]))
        patch.setattr(Path, "unlink", killed)
        remove_marked(tmp_path)
    assert (tmp_path / MARK).exists()
    remove_marked(tmp_path)
    assert not tmp_path.exists()


def test_unfinished_work_goes_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(work, "stage_key", lambda stage: "key")
    file = _own_file(tmp_path / "train-mine")
    with work.work_folder("train", tmp_path) as folder:
        assert (folder / MARK).exists()
    assert os.listdir(tmp_path) == ["train-mine"] and file.exists()
    foreign = _own_file(tmp_path / "train-key")
    with pytest.raises(UserError, match="did not make it"), work.work_folder("train", tmp_path):
        raise AssertionError("work has begun")
    assert foreign.read_bytes() == b"\x00mine\n"

"""What killed writers leave behind goes with the next writer; living ones are left alone."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ncsn.base import staging
from ncsn.base.files import whole_file, whole_folder

WRITER = """
import sys
from pathlib import Path
from ncsn.base.staging import staging_folder
with staging_folder(Path(sys.argv[1])) as place:
    (place / "half").write_text("half")
    print(place, flush=True)
    sys.stdin.read()
"""


def _writer(path: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process in the midst of writing `path`, and the folder where it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def _end(process: subprocess.Popen[str], signal_number: int | None = None) -> None:
    if signal_number is not None:
        process.send_signal(signal_number)
    process.communicate()


@pytest.mark.parametrize("whole", [whole_file, whole_folder])
def test_leftovers_of_killed_writers_go_with_the_next_one(tmp_path, whole):
    first, second = (_writer(tmp_path / "out") for _ in range(2))  # one behind the other
    for process, place in (first, second):
        _end(process, signal.SIGKILL)
        assert place.exists()
    with whole(tmp_path / "out") as partial:
        assert partial.parent == first[1] and not second[1].exists()
        assert not (first[1] / "half").exists()
    assert os.listdir(tmp_path) == ["out"]


def test_living_writers_of_one_path_do_not_meet(tmp_path):
    process, place = _writer(tmp_path / "out")
    with whole_file(tmp_path / "out") as partial:
        partial.write_text("whole")
        assert partial.parent != place
    assert (place / "half").read_text() == "half" and (tmp_path / "out").read_text() == "whole"
    _end(process)
    assert os.listdir(tmp_path) == ["out"]


def test_writers_of_another_host_cannot_be_told_dead_and_stay(tmp_path, monkeypatch):
    process, place = _writer(tmp_path / "out")
    _end(process, signal.SIGKILL)
    monkeypatch.setattr(staging, "_HOST", "another")
    with whole_file(tmp_path / "out"):
        pass
    assert (place / "half").exists()


def test_without_locks_nothing_is_removed_that_was_there(tmp_path, monkeypatch):
    process, place = _writer(tmp_path / "out")
    _end(process, signal.SIGKILL)

    def no_locks(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(staging.fcntl, "flock", no_locks)
    with whole_file(tmp_path / "out") as partial:
        partial.write_text("whole")
    assert (place / "half").exists() and (tmp_path / "out").read_text() == "whole"


def test_a_lock_that_its_writer_took_away_meanwhile_is_none(tmp_path, monkeypatch):
    """The next writer may have made another lock by the same name, and hold that one."""
    process, place = _writer(tmp_path / "out")
    _end(process, signal.SIGKILL)
    flock, locks = staging.fcntl.flock, []

    def replaced_meanwhile(descriptor: int, operation: int) -> None:
        if not locks:
            (lock,) = place.glob(".ncsn-lock")
            lock.unlink()
            locks.append(lock.open("w"))
            flock(locks[0], operation)
        flock(descriptor, operation)

    monkeypatch.setattr(staging.fcntl, "flock", replaced_meanwhile)
    with whole_file(tmp_path / "out") as partial:
        assert partial.parent != place and (place / "half").exists()
    locks[0].close()


def test_a_folder_whose_lock_is_a_link_is_not_touched(tmp_path):
    process, place = _writer(tmp_path / "out")
    _end(process)
    (tmp_path / "mine").touch()
    place.mkdir()
    (place / "file").touch()
    (place / ".ncsn-lock").symlink_to(tmp_path / "mine")
    with whole_file(tmp_path / "out"):
        pass
    assert (place / "file").exists() and (place / ".ncsn-lock").is_symlink()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_has_such_a_name_and_no_lock_is_not_touched(tmp_path, kind):
    process, place = _writer(tmp_path / "out")
    _end(process)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "file").touch()
    if kind == "link":
        place.symlink_to(mine)
    else:
        (mine / "file" if kind == "file" else mine).rename(place)
    with whole_file(tmp_path / "out"):
        pass
    assert place.is_file() or (place / "file").exists()


def test_a_folder_that_cannot_be_written_is_an_error_and_no_endless_search(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError), whole_file(tmp_path / "file" / "out"):
        pass

"""Files appear whole or not at all."""

import json
import stat

import numpy as np
import pytest

from ncsn.base.errors import UserError
from ncsn.base.files import (
    read_json,
    read_jsonl,
    read_npz,
    whole_file,
    whole_folder,
    write_json,
    write_npz,
)
from ncsn.base.marked import MARK


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), whole_file(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "out"
    with whole_folder(path) as partial:
        (partial / "a").write_text("1")
    with pytest.raises(RuntimeError), whole_folder(path) as partial:
        (partial / "b").write_text("2")
        raise RuntimeError
    assert sorted(file.name for file in path.iterdir()) == [MARK, "a"]
    with whole_folder(path) as partial:
        (partial / "c").write_text("3")
    assert sorted(file.name for file in path.iterdir()) == [MARK, "c"]
    assert list(tmp_path.iterdir()) == [path]


def test_new_files_have_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    write_json(tmp_path / "ours.json", {})
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("usual", "ours.json")]
    assert modes[0] == modes[1]


def test_json_refuses_not_a_number_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "metrics.json"
    write_json(path, {"eval/fid": 1.0})
    with pytest.raises(ValueError, match="Out of range"):
        write_json(path, {"eval/fid": float("nan")})
    assert read_json(path) == {"eval/fid": 1.0}


def test_missing_and_broken_json_are_named(tmp_path):
    with pytest.raises(UserError, match="a.json is missing"):
        read_json(tmp_path / "a.json")
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(UserError, match="b.json is not JSON"):
        read_json(tmp_path / "b.json")


def test_a_line_that_is_still_being_written_is_left_out(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"step": 1}) + "\n" + '{"step": 2')
    assert read_jsonl(path) == [{"step": 1}]


def test_arrays_come_back_and_pickles_are_refused(tmp_path):
    write_npz(tmp_path / "a.npz", x=np.arange(3))
    assert read_npz(tmp_path / "a.npz")["x"].tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="allow_pickle"):
        write_npz(tmp_path / "b.npz", x=np.array([{}], dtype=object))
    assert not (tmp_path / "b.npz").exists()

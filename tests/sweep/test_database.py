"""The studies' database: another version's, somebody else's, broken, locked, gone."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from ncsn.base.errors import UserError
from ncsn.config.params import SweepParams
from ncsn.sweep.search import database as database_module
from ncsn.sweep.search.address import refused, storage_faults
from ncsn.sweep.search.database import open_storage
from ncsn.sweep.search.study import load_study

NAME = "epsilon-digits"


def _params(url: str = "sqlite:///sweeps.db") -> SweepParams:
    # the rules of params.yaml may refuse an address earlier
    return SweepParams.model_construct(storage=url, heartbeat_sec=1, grace_sec=2, max_retry=2)


def _refusal(root: Path, url: str = "sqlite:///sweeps.db") -> str:
    with pytest.raises(UserError) as error:
        open_storage(_params(url), root)
    (line,) = str(error.value).splitlines()
    assert line.startswith("sweep.storage (value '")
    return line


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with a study of one trial."""
    study = optuna.create_study(storage=open_storage(_params(), tmp_path), study_name=NAME)
    study.add_trial(optuna.trial.create_trial(value=1.5))
    return tmp_path / "sweeps.db"


def _execute(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


def test_an_older_optunas_is_told_how_to_be_upgraded_and_that_works(database):
    _execute(database, "UPDATE alembic_version SET version_num = 'v3.0.0.d'")
    _execute(database, "UPDATE version_info SET library_version = '3.1.0'")
    line = _refusal(database.parent)
    head, _, command = line.partition("keep a copy of it and run: ")
    assert head.endswith("was made by optuna 3.1.0; ")
    assert command == "optuna storage upgrade --storage 'sqlite:///sweeps.db'"
    words = [str(Path(sys.executable).parent / "optuna"), *command.replace("'", "").split()[1:]]
    subprocess.run(words, cwd=database.parent, check=True, capture_output=True)
    study = load_study(open_storage(_params(), database.parent), NAME)
    assert [trial.value for trial in study.trials] == [1.5]


def test_a_newer_optunas_is_not_told_to_be_upgraded(database):
    _execute(database, "UPDATE alembic_version SET version_num = 'v9.0.0.a'")
    line = _refusal(database.parent)
    assert f"newer than the Optuna installed here, {optuna.__version__}" in line
    assert "upgrade" not in line


def test_a_database_of_something_else_is_left_as_it_is(tmp_path):
    """Optuna used to write its tables into it."""
    foreign = tmp_path / "sweeps.db"
    _execute(foreign, "CREATE TABLE alembic_version (version_num TEXT)")
    before = foreign.read_bytes()
    assert "the database of something else than Optuna" in _refusal(tmp_path)
    assert foreign.read_bytes() == before


@pytest.mark.parametrize("content", [b"x", b"\x00" * 5000, b"SQLite format 4\0" + b"\x00" * 100])
def test_a_file_that_is_no_database(tmp_path, content):
    (tmp_path / "sweeps.db").write_bytes(content)
    assert "is no SQLite database; name another file" in _refusal(tmp_path)
    assert (tmp_path / "sweeps.db").read_bytes() == content


def test_a_database_cut_short(database):
    database.write_bytes(database.read_bytes()[:3000])
    for beside in database.parent.glob("sweeps.db-*"):
        beside.unlink()
    assert "the file was cut short: bring a copy back" in _refusal(database.parent)


def test_an_empty_file_becomes_a_database(tmp_path):
    (tmp_path / "sweeps.db").touch()
    open_storage(_params(), tmp_path)


def test_a_folder_in_its_place(tmp_path):
    (tmp_path / "sweeps.db").mkdir()
    assert f"{tmp_path / 'sweeps.db'} is a folder" in _refusal(tmp_path)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite:///nowhere/sweeps.db", "its folder must exist"),
        ("sqlite:///" + "n" * 600, "SQLite takes 511 bytes of a path"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("sweeps.db", "is no address of a database"),
        ("postgres://a@b/c", "no such kind of database"),
        ("foo://a@b/c", "no such kind of database"),
        ("mysql://a@b/c", "python -m pip install mysqlclient"),
    ],
)
def test_addresses_that_lead_nowhere(tmp_path, url, told):
    assert told in _refusal(tmp_path, url)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scheme", ["mysql", "postgres", "foo", "not an address "])
def test_no_complaint_has_the_password(tmp_path, scheme):
    assert "secret" not in _refusal(tmp_path, f"{scheme}://user:secret@host/studies")
    assert "secret" not in str(refused(f"{scheme}://user:secret@host:port/studies", "rule"))


def test_a_place_whose_name_a_url_would_cut_short(tmp_path):
    root = tmp_path / "why? 100%(x)s #1 Müller"
    root.mkdir()
    open_storage(_params(), root)
    assert [path.name for path in root.glob("*.db")] == ["sweeps.db"]
    assert [path.name for path in tmp_path.iterdir()] == [root.name]


def test_a_lock_that_is_held_for_long(database, monkeypatch):
    monkeypatch.setattr(database_module, "_BUSY_SEC", 0.1)
    study = load_study(open_storage(_params(), database.parent), NAME)
    other = sqlite3.connect(database)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UserError, match="is locked; another program holds it"):
        with storage_faults("sqlite:///sweeps.db"):
            study.set_user_attr("a", 1)
    other.close()
    assert [trial.value for trial in study.trials] == [1.5]


def test_a_database_that_went_away_while_a_study_ran(database):
    opened = open_storage(_params(), database.parent)
    opened.engine.dispose()
    for path in database.parent.glob("sweeps.db*"):
        if path.is_file():  # its locks stay
            path.unlink()
    with pytest.raises(UserError, match="a file that was moved away is to be brought back"):
        with storage_faults("sqlite:///sweeps.db"):
            load_study(opened, NAME)


def test_a_database_that_cannot_be_written(database, monkeypatch):
    study = load_study(open_storage(_params(), database.parent), NAME)
    study._storage._backend.engine.dispose()
    connect = sqlite3.connect

    def read_only(path, **options):
        return connect(path.replace("mode=rw", "mode=ro"), **options)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    with pytest.raises(UserError, match="readonly database; its file or folder cannot be written"):
        with storage_faults("sqlite:///sweeps.db"):
            study.set_user_attr("a", 1)


def test_a_study_that_somebody_made_without_this_project(tmp_path):
    shutil.rmtree(tmp_path / "x", ignore_errors=True)
    optuna.create_study(storage=open_storage(_params(), tmp_path), study_name="mine")
    with pytest.raises(UserError, match="no study 'min' has been run; there are mine"):
        load_study(open_storage(_params(), tmp_path), "min")

"""The command lines beside the pipeline: preset, advise, ui, compare; their arguments."""

import json
import runpy
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from ncsn.base.yaml_file import read_yaml
from ncsn.config.preset import preset_names

ROOT = Path(__file__).parents[1]
COMMANDS = ("preset", "advise", "ui", "compare")


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    error: str


@pytest.fixture
def command(capsys, monkeypatch):
    """Runs a script of pipeline/ in this process."""

    def run(name: str, *words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *words])
        status = 0
        try:
            runpy.run_path(str(ROOT / "pipeline" / f"{name}.py"), run_name="__main__")
        except SystemExit as ending:
            status = int(ending.code or 0)
        return Ended(status, *capsys.readouterr())

    return run


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with params.yaml and dvc.yaml, as the current one."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("src", "pipeline"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def prepared(project):
    """The project with a summary of its data."""
    path = project / "artifacts" / "data" / "summary.json"
    path.parent.mkdir(parents=True)
    split = {"count": 1000, "shape": [8, 8, 1], "mean": 77.0, "std": 96.0, "sha256": "0"}
    split |= {"channel_mean": [77.0], "channel_std": [96.0]}
    distance = {"pairwise": {"max": 6.0, "median": 3.0, "num_points": 1000}}
    path.write_text(json.dumps({"name": "digits", "train": split, "test": split, **distance}))
    return project


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_what_it_is_for(project, command, name):
    ended = command(name, "--help")
    assert ended.status == 0 and ended.out.startswith(f"usage: {name}.py") and not ended.error


@pytest.mark.parametrize("name", COMMANDS)
def test_an_argument_that_does_not_exist_changes_nothing(project, command, name):
    before = {path: path.read_bytes() for path in project.iterdir() if path.is_file()}
    ended = command(name, "--no-such-option")
    assert (ended.status, ended.out) == (2, "")
    assert "unrecognized arguments: --no-such-option" in ended.error
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("name", "words"),
    [("preset", ["mnist"]), ("advise", []), ("ui", []), ("compare", []), ("champion", ["x"])],
)
def test_outside_of_a_project(tmp_path, monkeypatch, command, name, words):
    monkeypatch.chdir(tmp_path)
    ended = command(name, *words)
    assert (ended.status, ended.out) == (2, "")
    assert ended.error.startswith("error: params.yaml is missing; run this command from")
    assert not list(tmp_path.iterdir())


def test_presets_are_listed_written_and_recognised(project, command):
    assert command("preset") == (0, "\n".join(preset_names()) + "\n", "")
    written = command("preset", "mnist")
    assert written.status == 0 and "data.name: digits -> mnist" in written.out.splitlines()
    assert command("preset", "mnist").out == "params.yaml already is the preset 'mnist'\n"


def test_a_preset_that_does_not_exist_has_a_nearest_one(project, command):
    before = Path("params.yaml").read_bytes()
    ended = command("preset", "cifra10")
    assert (ended.status, ended.out) == (2, "")
    assert ended.error.endswith("Did you mean 'cifar10'?\n") and ended.error.count("\n") == 1
    assert Path("params.yaml").read_bytes() == before


def test_advice_needs_prepared_data(project, command):
    ended = command("advise")
    assert (ended.status, ended.out) == (2, "")
    assert "run `dvc repro prepare`" in ended.error and ended.error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--steps-per-level", "0"], "--steps-per-level (value 0): must be"),
        (["--steps-per-level", "-3"], "--steps-per-level (value -3): must be"),
        (["--steps-per-level", "x"], "argument --steps-per-level: invalid int value: 'x'"),
        (["--overlap", "0"], "--overlap (value 0.0): must be above 0 and below 0.99"),
        (["--overlap", "1"], "--overlap (value 1.0): must be above 0 and below 0.99"),
        (["--overlap", "nan"], "--overlap (value nan): must be above 0 and below 0.99"),
        (["--overlap"], "argument --overlap: expected one argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_of_advise(prepared, command, words, told):
    before = Path("params.yaml").read_bytes()
    ended = command("advise", *words, "--write")
    assert (ended.status, ended.out) == (2, "")
    assert told in ended.error.splitlines()[-1]
    assert Path("params.yaml").read_bytes() == before


def test_advice_is_printed_and_written_when_asked(prepared, command):
    before = Path("params.yaml").read_bytes()
    printed = command("advise", "--steps-per-level", "5")
    assert printed.status == 0 and "among 1000 training images" in printed.out, printed.error
    assert Path("params.yaml").read_bytes() == before
    written = command("advise", "--steps-per-level", "5", "--write")
    assert "sampler.steps_per_level: 10 -> 5" in written.out.splitlines()
    assert read_yaml("params.yaml")["sampler"]["steps_per_level"] == 5
    again = command("advise", "--steps-per-level", "5", "--write")
    assert again.out.endswith("params.yaml already has these values\n")


def test_pages_need_a_store(project, command, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    ended = command("ui")
    assert (ended.status, ended.out) == (2, "")
    assert "make repro" in ended.error and ended.error.count("\n") == 1


def test_a_comparison_needs_runs_that_are_there(project, command, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for words, told in (
        (["no-such-run"], "'no-such-run': neither a run, a study, nor a revision"),
        ([], "does not exist yet; `make repro` makes it"),
        (["a", "--last", "2"], "give names, or a filter"),
        (["--since", "soon"], "must be a date"),
        (["--last", "0"], "must be a whole number from 1"),
    ):
        ended = command("compare", *words)
        assert (ended.status, ended.out) == (2, ""), words
        assert told in ended.error.splitlines()[-1]
    assert not (project / "mlflow.db").exists() and not (project / "reports").exists()

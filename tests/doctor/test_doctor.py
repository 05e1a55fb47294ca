"""The doctor tells each planted fault in its line, what to do, and never crashes."""

import runpy
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ncsn.base.errors import UserError
from ncsn.config.preset import write_values
from ncsn.doctor import machine, project
from ncsn.doctor.checks import CHECKS
from ncsn.doctor.lines import Check, Line, diagnose, fine, looked_at

ROOT = Path(__file__).parents[2]
COLOUR = {"data.name": "cifar10", "reference.extractor": "inception-v3-compat"}
COLOUR |= {"reference.feature_layer": "2048"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone as the current folder, in which nothing has run."""
    for name in ("params.yaml", "dvc.yaml", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".dvc").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "NCSN_SWEEP_STORAGE", "CXX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    return tmp_path


@pytest.fixture
def nothing_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """No command is installed."""
    monkeypatch.setenv("PATH", "/nowhere")


def _line(name: str) -> Line:
    (check,) = [check for check in CHECKS if check.name == name]
    return looked_at(check)


def test_a_clone_on_this_machine_can_run(here, capsys) -> None:
    quick = [check for check in CHECKS if check.name not in ("disk", "packages", "DVC's cache")]
    assert diagnose(quick) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "`make repro` can run" and len(lines) == len(quick) + 1
    assert {line.split()[0] for line in lines[:-1]} <= {"fine", "note"}
    files = {"params.yaml", "dvc.yaml", "pyproject.toml", "constraints.txt", ".dvc"}
    assert {path.name for path in here.iterdir()} == files  # it changes nothing


def _raises(error: BaseException) -> Callable[[], Line]:
    def look() -> Line:
        raise error

    return look


@pytest.mark.parametrize(
    ("error", "state", "told"),
    [
        (UserError("two\nlines"), "mend", "two lines"),
        (ModuleNotFoundError("No module named 'torch'"), "mend", "'torch'; run `make setup`"),
        (PermissionError(13, "no"), "note", "cannot be looked at (PermissionError"),
        (RecursionError("deep"), "note", "cannot be looked at (RecursionError: deep)"),
    ],
)
def test_no_error_of_a_check_is_a_crash(error, state, told, capsys) -> None:
    checks = [Check("odd", _raises(error)), Check("next", lambda: fine("still told"))]
    assert diagnose(checks) == int(state == "mend")
    odd, following, _ = capsys.readouterr().out.splitlines()
    assert odd.startswith(f"{state}  odd ") and told in odd
    assert following == "fine  next  still told"


def test_outside_of_a_project_every_line_is_there(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["doctor.py"])
    with pytest.raises(SystemExit) as ending:
        runpy.run_path(str(ROOT / "pipeline" / "doctor.py"), run_name="__main__")
    out, error = capsys.readouterr()
    assert ending.value.code == 1 and error == ""
    assert len(out.splitlines()) == len(CHECKS) + 1
    assert "params.yaml is missing; run this command from the project's top folder" in out


def _params(changes: dict[str, object]) -> Callable[[Path], None]:
    return lambda here: write_values(changes) and None


def _broken_params(here: Path) -> None:
    (here / "params.yaml").write_text("sampler: {epsilon: 1}")


def _foreign_store(here: Path) -> None:
    (here / "mlflow.db").write_text("of somebody else, and no database at all")


def _foreign_studies(here: Path) -> None:
    (here / "sweeps.db").mkdir()


def _wrong_data(here: Path) -> None:
    write_values({"data.name": "mnist"})
    (here / "raw").mkdir()
    (here / "raw" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"a page of errors")


def _wrong_weights(here: Path) -> None:
    (here / "w.pth").write_bytes(b"no tensors")
    write_values(COLOUR | {"reference.weights_path": "w.pth"})


def _pin(here: Path) -> None:
    (here / "constraints.txt").write_text("numpy==1.0.0\n")


def _requirement(here: Path) -> None:
    text = (here / "pyproject.toml").read_text()
    (here / "pyproject.toml").write_text(text.replace('"numpy>=2"', '"no-such-package>=2"'))


def _no_dvc_project(here: Path) -> None:
    (here / ".dvc").rmdir()


@pytest.mark.parametrize(
    ("fault", "name", "state", "told"),
    [
        (_broken_params, "params", "mend", "params.yaml: base: missing"),
        (_params({"base.device": "cuda:7"}), "GPU", "mend", "base.device (value 'cuda:7')"),
        (
            _params({"track.uri": "http://127.0.0.1:9"}),
            "MLflow's store",
            "mend",
            "does not answer",
        ),
        (
            _params({"track.uri": "mysql+nodrv://h/d"}),
            "MLflow's store",
            "mend",
            "pip install nodrv",
        ),
        (_params({"sweep.storage": "mysql+nodrv://h/d"}), "studies", "note", "pip install nodrv"),
        (_foreign_store, "MLflow's store", "mend", "is not a database of SQLite; move it away"),
        (_foreign_studies, "studies", "note", "is a folder; name another file"),
        (_params({"data.name": "mnist"}), "data", "note", "will be downloaded from https://"),
        (_wrong_data, "data", "mend", "is not the t10k-labels-idx1-ubyte.gz that is needed"),
        (_params({"data.name": "folder", "data.path": "none"}), "data", "mend", "no such folder"),
        (_params(COLOUR), "weights", "note", "Inception's 96 MB will be downloaded"),
        (_wrong_weights, "weights", "mend", "w.pth is not a state dict"),
        (_pin, "packages", "note", "not the versions that were tested (in brackets): numpy"),
        (_requirement, "packages", "mend", "no-such-package not installed; run `make setup`"),
        (_no_dvc_project, "DVC", "mend", "no folder .dvc here"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_planted_fault_is_told(here, fault, name, state, told) -> None:
    fault(here)
    line = _line(name)
    assert line.state == state and told in line.text and "\n" not in line.text, line


def test_missing_commands_are_told(here, nothing_on_the_path) -> None:
    assert _line("DVC") == Line(
        "mend", "no command `dvc`; run `make setup`, then `source .venv/bin/activate`"
    )
    assert _line("DVC's cache").state == "mend"
    assert _line("git").state == "note" and "no sweeps" in _line("git").text
    assert _line("C++ compiler").state == "fine"
    write_values({"base.compile": "always"})
    assert _line("C++ compiler").text.endswith("install g++")


def test_a_machine_that_is_too_small_is_told(here, monkeypatch) -> None:
    monkeypatch.setattr(machine.sys, "version_info", (3, 10, 2, "final", 0))
    assert looked_at(Check("Python", machine.python)).state == "mend"
    monkeypatch.undo()
    usage = shutil.disk_usage(here)
    for free, state in ((10**8, "mend"), (10**9, "note"), (10**11, "fine")):
        monkeypatch.setattr(machine.shutil, "disk_usage", lambda _, f=free: usage._replace(free=f))
        assert machine.disk().state == state


def test_a_port_that_is_taken_is_told(monkeypatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        monkeypatch.setattr("ncsn.tracking.server.PORT", server.getsockname()[1])
        assert "is taken; `make ui` will take" in machine.port().text


def test_no_password_is_printed(here, monkeypatch, capsys) -> None:
    monkeypatch.setenv("NCSN_SWEEP_STORAGE", "mysql+nodrv://me:canary@host/db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:canary@127.0.0.1:9")
    diagnose([Check("studies", project.studies), Check("store", project.store)])
    out = capsys.readouterr().out
    assert "canary" not in out and "***" in out

"""The quick question whether a run is there agrees with MLflow, for files and for servers."""

import base64
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from ncsn.base.files import write_json
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import load_params
from ncsn.tracking.configuration import publish_configuration
from ncsn.tracking.finished import finished_run, present_record
from ncsn.tracking.store import Store, open_store

Edit = Callable[[str, str, Any], None]


@pytest.fixture(autouse=True)
def _without_a_model(project: Path, edit_params: Edit) -> None:
    edit_params("track", "log_model", False)


def _publish() -> dict[str, str]:
    params = load_params("paths", "track")
    return publish_configuration(params.paths, params.track, read_yaml("params.yaml"))


def _present() -> dict[str, str] | None:
    params = load_params("paths", "track")
    return present_record(params.paths, params.track)


def _store() -> Store:
    return open_store(load_params("track").track)


def test_a_complete_run_is_found_and_everything_else_is_not(
    project: Path, edit_params: Edit
) -> None:
    assert _present() is None  # a store without the experiment
    record = _publish()
    assert _present() == record
    client, run_id = _store().client, record["run_id"]

    client.delete_run(run_id)
    assert _present() is None
    client.restore_run(run_id)
    assert _present() == record
    client.update_run(run_id, status="KILLED")
    assert _present() is None
    client.update_run(run_id, status="FINISHED")

    edit_params("track", "log_model", True)
    assert _present() is None  # the model has to be sent
    edit_params("track", "log_model", False)
    edit_params("sampler", "steps_per_level", 11)
    assert _present() is None
    edit_params("sampler", "steps_per_level", 10)
    edit_params("track", "experiment", "another")
    assert _present() is None
    edit_params("track", "experiment", "ncsn")
    assert _present() == record
    paths = load_params("paths").paths
    write_json(paths.metrics, {**json.loads(Path(paths.metrics).read_text()), "eval/fid": 3.0})
    assert _present() is None  # another result of the same configuration
    assert _publish() == record and _present() == record
    client.delete_experiment(record["experiment_id"])
    assert _present() is None


def test_the_run_comes_into_the_store_that_is_configured_now(
    project: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _publish()
    shutil.copy(empty_store, project / "other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    assert _present() is None
    again = _publish()
    assert again["run_id"] != first["run_id"] and _present() == again
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert _present() == first


def test_the_question_imports_no_mlflow_and_no_torch(project: Path) -> None:
    code = (
        "import sys; from ncsn.tracking.finished import present_record\n"
        "from ncsn.config.params import load_params\n"
        "p = load_params('paths', 'track'); assert present_record(p.paths, p.track)\n"
        "print([m for m in ('mlflow', 'torch', 'pandas', 'sqlalchemy') if m in sys.modules])"
    )
    _publish()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


class _Server(BaseHTTPRequestHandler):
    """Answers as MLflow does, from a table; keeps what it was sent."""

    answers: dict[str, Any] = {}
    status = 200
    seen: list[str | None] = []
    moved_to = ""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append(self.headers.get("Authorization"))
        if self.moved_to:
            self.send_response(302)
            self.send_header("Location", self.moved_to + self.path)
            self.end_headers()
            return
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(json.dumps(self.answers[self.path.partition("?")[0]]).encode())

    do_POST = do_GET

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    tags = [{"key": "ncsn.key", "value": "k"}, {"key": "ncsn.mirror", "value": "m"}]
    run = {"info": {"run_id": "r", "status": "FINISHED"}, "data": {"tags": tags}}
    _Server.answers = {
        "/api/2.0/mlflow/experiments/get-by-name": {
            "experiment": {"experiment_id": "7", "lifecycle_stage": "active"}
        },
        "/api/2.0/mlflow/runs/search": {"runs": [run]},
    }
    _Server.status, _Server.seen = 200, []
    with HTTPServer(("127.0.0.1", 0), _Server) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"127.0.0.1:{served.server_port}"
        served.shutdown()
        thread.join()


def test_a_server_is_asked_with_the_login_that_mlflow_would_send(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert finished_run(f"http://{address}", "ncsn", "k", "m") == ("r", "7")
    assert finished_run(f"http://{address}/", "ncsn", "k", "other") is None
    finished_run(f"http://me:p%40w@{address}", "ncsn", "k", "m")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t")
    finished_run(f"http://{address}", "ncsn", "k", "m")
    basic = "Basic " + base64.b64encode(b"me:p@w").decode()
    assert _Server.seen == [None] * 4 + [basic] * 2 + ["Bearer t"] * 2


def test_the_question_makes_no_database(tmp_path: Path) -> None:
    database = tmp_path / "none.db"
    assert finished_run(f"sqlite:///{database}", "ncsn", "k", "m") is None
    assert not database.exists()


def test_a_login_is_for_its_host_alone(address: str) -> None:
    class Moved(_Server):
        moved_to = f"http://{address}"

    with HTTPServer(("127.0.0.1", 0), Moved) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        finished_run(f"http://me:secret@127.0.0.1:{served.server_port}", "ncsn", "k", "m")
        served.shutdown()
        thread.join()
    first, elsewhere, *_ = _Server.seen
    assert first and first.startswith("Basic") and elsewhere is None


def test_a_run_of_a_deleted_experiment_is_none(address: str) -> None:
    about = _Server.answers["/api/2.0/mlflow/experiments/get-by-name"]["experiment"]
    about["lifecycle_stage"] = "deleted"
    assert finished_run(f"http://{address}", "ncsn", "k", "m") is None


@pytest.mark.parametrize("status", [401, 404, 500])
def test_what_a_server_refuses_is_left_to_mlflow(address: str, status: int) -> None:
    _Server.status = status
    assert finished_run(f"http://{address}", "ncsn", "k", "m") is None


def test_other_stores_are_left_to_mlflow(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert finished_run("http://127.0.0.1:9", "ncsn", "k", "m") is None
    assert finished_run("postgresql://host/db", "ncsn", "k", "m") is None
    monkeypatch.setenv("MLFLOW_TRACKING_CLIENT_CERT_PATH", "x")
    assert finished_run(f"http://{address}", "ncsn", "k", "m") is None
    assert _Server.seen == []

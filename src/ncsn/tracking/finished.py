"""Whether the store has the complete run of a configuration, asked without importing MLflow.

`track` runs after every `dvc repro`, since DVC knows nothing of the store. Mostly the run is
there, and the question must cost less than the seconds of MLflow's import.
"""

import base64
import json
import os
import sqlite3
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from ncsn.config.params import PathsParams, TrackParams
from ncsn.tracking.database import reading
from ncsn.tracking.key import KEY_TAG, MIRROR_TAG, mirror_key, present_key
from ncsn.tracking.links import run_record
from ncsn.tracking.place import database_path, store_uri

_WAIT_SEC = 3.0
_LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_KNOWN = {*_LOGIN, "MLFLOW_TRACKING_URI"}
_QUERY = f"""
SELECT r.run_uuid, r.experiment_id, r.status, r.start_time FROM runs r
JOIN experiments e ON e.experiment_id = r.experiment_id
JOIN tags k ON k.run_uuid = r.run_uuid AND k.key = '{KEY_TAG}' AND k.value = ?
WHERE r.lifecycle_stage = 'active' AND e.lifecycle_stage = 'active' AND e.name = ?
ORDER BY r.start_time LIMIT 1
"""
_TAGS = "SELECT key, value FROM tags WHERE run_uuid = ?"


class Found(NamedTuple):
    """A run as the store has it; `started` is in milliseconds since 1970."""

    run_id: str
    experiment_id: str
    status: str
    started: int
    tags: dict[str, str]


def present_record(paths: PathsParams, track: TrackParams) -> dict[str, str] | None:
    """Returns the record of the present configuration's run if the store has it complete.

    Raises:
        UserError: a file of the stages is missing.
    """
    key, uri = present_key(paths.data_summary), store_uri(track)
    found = finished_run(uri, track.experiment, key, mirror_key(paths, track))
    return None if found is None else run_record(found[1], found[0], key)


def finished_run(uri: str, experiment: str, key: str, mirror: str) -> tuple[str, str] | None:
    """Returns the ids of the run and its experiment if nothing is left to be sent.

    Args:
        uri: the store's address.
        experiment: name of the experiment.
        key: of the configuration.
        mirror: digest of what the run shall mirror.

    Returns:
        None where the run is missing, deleted, unfinished or made from other files, where the
        experiment is deleted, and where only MLflow itself can find out.
    """
    found = look_up(uri, experiment, key)
    if found is None or (found.status, found.tags.get(MIRROR_TAG)) != ("FINISHED", mirror):
        return None
    return found.run_id, found.experiment_id


def look_up(uri: str, experiment: str, key: str) -> Found | None:
    """Returns the oldest run with `key`, as `run.find_run` has it, in whatever state.

    None where there is none, and where only MLflow itself can find out.
    """
    database = database_path(uri)
    try:
        if database is not None:
            return _in_database(database, experiment, key)
        if uri.startswith(("http://", "https://")) and _is_simple():
            return _on_server(uri, experiment, key)
    except (OSError, ValueError, KeyError, sqlite3.Error):
        pass  # MLflow will say what is wrong
    return None


def _in_database(database: Path, experiment: str, key: str) -> Found | None:
    with reading(database) as connection:
        row = connection.execute(_QUERY, (key, experiment)).fetchone()
        if row is None:
            return None
        tags = dict(connection.execute(_TAGS, (row[0],)).fetchall())
    return Found(str(row[0]), str(row[1]), str(row[2]), int(row[3] or 0), tags)


def _is_simple() -> bool:
    """Whether the environment asks for nothing more than a login (certificates, signatures)."""
    return not any(n.startswith("MLFLOW_TRACKING_") and n not in _KNOWN for n in os.environ)


def _on_server(uri: str, experiment: str, key: str) -> Found | None:
    name = f"experiments/get-by-name?experiment_name={quote(experiment, safe='')}"
    about = _answer(uri, name)["experiment"]
    if about["lifecycle_stage"] != "active":
        return None
    wanted = {
        "experiment_ids": [about["experiment_id"]],
        "filter": f"tags.`{KEY_TAG}` = '{key}'",
        "max_results": 1,
        "order_by": ["attributes.start_time ASC"],
    }
    runs = _answer(uri, "runs/search", wanted).get("runs", [])
    if not runs:
        return None
    info = runs[0]["info"]
    tags = {tag["key"]: tag["value"] for tag in runs[0]["data"]["tags"]}
    started = int(info.get("start_time", 0))
    return Found(info["run_id"], about["experiment_id"], info["status"], started, tags)


def _answer(uri: str, what: str, body: dict[str, Any] | None = None) -> Any:
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    address = f"{parts.scheme}://{host}{parts.path.rstrip('/')}/api/2.0/mlflow/{what}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    login = _login(parts.username, parts.password)
    if login is not None:  # for this host alone, wherever it redirects to
        request.add_unredirected_header("Authorization", login)
    with urllib.request.urlopen(request, timeout=_WAIT_SEC) as answer:
        return json.load(answer)


def _login(user: str | None, password: str | None) -> str | None:
    """What MLflow's client would send: user and password, else a token, else what the URL has."""
    name, secret, token = (os.environ.get(variable) for variable in _LOGIN)
    if not (name and secret) and token:
        return f"Bearer {token}"
    if not (name and secret):
        name, secret = unquote(user or ""), unquote(password or "")
    if not name:
        return None
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()

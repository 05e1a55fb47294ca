"""Two hosts: clones of a project with a cache and workspaces each, one coordinator, one remote."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from filelock import FileLock

from ncsn.sweep.trials.pipeline import ProjectPipeline

REMOTE = "store"
_HOST = """
import sys
from hosts import reproduce_all
reproduce_all(*sys.argv[1:])
"""


def lock(folder: Path, name: str) -> FileLock:
    """A lock that all hosts share, in place of a database's."""
    return FileLock(folder / f"{name}.lock")


def pipeline(main: Path, *, share: bool = True) -> ProjectPipeline:
    """The project on one host; the folder of the locks lies beside it."""
    locks = main.parent / "locks"
    locks.mkdir(exist_ok=True)
    return ProjectPipeline(main, False, partial(lock, locks), main if share else None)


def second_host(main: Path, name: str = "other") -> Path:
    """Clones a project, with the settings of its DVC that no commit has."""
    other = main.parent / name
    subprocess.run(["git", "clone", "--quiet", str(main), str(other)], check=True)
    local = main / ".dvc" / "config.local"
    if local.exists():
        (other / ".dvc" / "config.local").write_text(local.read_text())
    return other


def use_remote(main: Path, url: str, **settings: Any) -> None:
    """Makes an address the default remote, in the settings of this host alone."""
    lines = [f"{key} = {value}" for key, value in settings.items()]
    text = ["[core]", f"remote = {REMOTE}", f"['remote \"{REMOTE}\"']", f"url = {url}", *lines]
    (main / ".dvc" / "config.local").write_text("\n".join(text) + "\n")


def reproduce_all(main: str, out: str, rows: str) -> None:
    """Brings a workspace to one configuration after the other; the body of a host's process."""
    reproduce = pipeline(Path(main)).opened(0)
    outcomes = [reproduce(values, None) for values in json.loads(rows)]
    hows = [{stage.stage: stage.status for stage in outcome.stages} for outcome in outcomes]
    Path(out).write_text(json.dumps(hows))


def start(main: Path, rows: Sequence[Mapping[str, Any]]) -> subprocess.Popen[str]:
    """Starts a host's process; `hows` reads what it did when it has ended."""
    place = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    command = [sys.executable, "-c", _HOST, str(main), str(_out(main)), json.dumps(rows)]
    env = {**os.environ, **place}
    return subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)


def hows(main: Path) -> list[dict[str, str]]:
    """How each stage of each configuration went on a host."""
    found: list[dict[str, str]] = json.loads(_out(main).read_text())
    return found


def _out(main: Path) -> Path:
    return main.parent / f"{main.name}.json"


@contextmanager
def s3_server() -> Iterator[tuple[str, dict[str, str]]]:
    """Serves S3 on loopback; yields address and settings of a remote in a new bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        keys = {"access_key_id": "hosts", "secret_access_key": "cANary8"}
        settings = {"endpointurl": f"http://{host}:{port}", "region": "us-east-1", **keys}
        bucket = f"results-{uuid4()}"  # all servers of a process have their buckets in common
        _make_bucket(settings, bucket)
        yield f"s3://{bucket}/ncsn", settings
    finally:
        server.stop()


def _make_bucket(settings: Mapping[str, str], bucket: str) -> None:
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=settings["endpointurl"],
        region_name=settings["region"],
        aws_access_key_id=settings["access_key_id"],
        aws_secret_access_key=settings["secret_access_key"],
    )
    client.create_bucket(Bucket=bucket)

"""MLflow's pages of this project's store, on this machine alone.

The server is started without its background jobs (eight processes of 240 MB each) and with one
worker. It answers no host name but this machine's: MLflow refuses others by itself.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from ncsn.base.addresses import STORAGE, masked
from ncsn.base.errors import UserError
from ncsn.config.params import TrackParams
from ncsn.tracking.links import (
    HOST,
    PORT,
    artifact_link,
    compare_link,
    curves_link,
    run_link,
    view_link,
)
from ncsn.tracking.place import store_uri
from ncsn.tracking.results import REPORT, SAMPLE_GRID
from ncsn.tracking.store import open_store, require_store, store_errors
from ncsn.tracking.views import NEWEST_VIEW, RUNS_VIEW, only_runs, put_view, runs_view

_START_SEC = 60.0
_NUM_COMPARED = 5
_WITHHELD = ("MLFLOW_TRACKING_URI", STORAGE)  # from the server, which needs neither
_ERROR_LINE = re.compile(r"(?i)\w*(error|exception)\b|address already in use")


@contextlib.contextmanager
def serving(track: TrackParams, root: str | Path = ".", port: int = PORT) -> Iterator[str]:
    """Yields the address of a running server, which ends with the block.

    A store that is a server itself is left as it is, and its address yielded.

    Args:
        track: where the store is.
        root: folder from which a relative store is taken.
        port: first port to try; the next free one is taken.

    Raises:
        UserError: there is no store yet, it cannot be used, or the server does not start.
    """
    uri = store_uri(track, root)
    if uri.startswith("http"):
        yield masked(uri.rstrip("/"))
        return
    require_store(uri)
    address = f"http://{HOST}:{free_port(port)}"
    with tempfile.TemporaryFile("w+") as output:
        server = _start(uri, address, output)
        try:
            _await(server, address, output)
            yield address
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(timeout=10)
            server.kill()


def addresses(track: TrackParams, root: str | Path = ".") -> dict[str, str]:
    """Returns the pages of MLflow that are worth opening, as paths by what they show."""
    require_store(store_uri(track, root))
    store = open_store(track, root)
    with store_errors(store.uri):
        runs = store.client.search_runs([store.experiment_id], max_results=_NUM_COMPARED)
        ids = [str(run.info.run_id) for run in runs]
        put_view(store.client, store.experiment_id, RUNS_VIEW, runs_view())
        if len(ids) > 1:
            newest_runs = runs_view(only=only_runs(ids))
            put_view(store.client, store.experiment_id, NEWEST_VIEW, newest_runs)
    links = {"charts of all runs": view_link(store.experiment_id, RUNS_VIEW, "CHART")}
    links["table of all runs"] = view_link(store.experiment_id, RUNS_VIEW)
    if ids:
        newest = (store.experiment_id, ids[0])
        links["newest run"] = run_link(*newest)
        links["its curves, and previews by step"] = curves_link(*newest)
        links["its samples"] = artifact_link(*newest, SAMPLE_GRID)
        links["its report"] = artifact_link(*newest, f"{REPORT}/index.html")
    if len(ids) > 1:
        compared = f"newest {len(ids)} runs compared"
        links[compared] = view_link(store.experiment_id, NEWEST_VIEW, "CHART")
        links["their params side by side"] = compare_link([store.experiment_id], ids)
    return links


def free_port(first: int) -> int:
    """Returns the first port from `first` on that nothing listens on."""
    for port in range(first, first + 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            return port
    raise UserError(f"ports {first} to {first + 99} of {HOST} are all taken")


def _start(uri: str, address: str, output: IO[str]) -> subprocess.Popen[bytes]:
    """Starts the server; the store's address goes by the environment, which no other user sees."""
    port = address.rpartition(":")[2]
    command: Sequence[str] = [sys.executable, "-m", "mlflow", "server", "--host", HOST]
    command = [*command, "--port", port, "--workers", "1", "--no-serve-artifacts"]
    own = {"MLFLOW_BACKEND_STORE_URI": uri, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    others = {name: value for name, value in os.environ.items() if name not in _WITHHELD}
    return subprocess.Popen(
        command,
        env=others | own,
        stdout=subprocess.DEVNULL,
        stderr=output,
        start_new_session=True,  # Ctrl-C reaches it once, through `serving`
    )


def _await(server: subprocess.Popen[bytes], address: str, output: IO[str]) -> None:
    """Waits until the server answers, or ends."""
    deadline = time.monotonic() + _START_SEC
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError, urllib.error.URLError):
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        time.sleep(0.2)
    ending = f"did not answer within {_START_SEC:g} s"
    if server.returncode is not None:
        ending = f"ended with status {server.returncode}"
    raise UserError(masked(f"the MLflow server at {address} {ending}: {_reason(output)}"))


def _reason(output: IO[str]) -> str:
    """The last line of a server's output that names an error, else its last line."""
    output.seek(0)
    lines = [line.strip() for line in output if line.strip()]
    errors = [line for line in lines if _ERROR_LINE.search(line)]
    return (errors or lines or ["it printed nothing"])[-1]

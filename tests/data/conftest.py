"""A file server on loopback that behaves well or badly, by the first part of the path.

good, norange (ignores Range), truncate (closes after 1,000 bytes), stuck (closes at once),
corrupt (right length, wrong bytes), hang (half, then silence), refuse (403), badrange (another
range than asked for), redirect (to http elsewhere), nolength (does not tell the length).
"""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ncsn.config.params import DataParams

TRUNCATED_AFTER = 1000


class FileServer(ThreadingHTTPServer):
    """Serves `files` by name; `requests` holds (way, name, Range header) of each GET."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, str | None]] = []
        self.released = threading.Event()

    def mirror(self, way: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{way}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        _, way, name = self.path.split("/")
        self.server.requests.append((way, name, self.headers.get("Range")))
        if way == "refuse":
            return self.send_error(403, "Forbidden")
        if way == "redirect":
            self.send_response(302)
            self.send_header("Location", "http://mirror.invalid/" + name)
            return self.end_headers()
        content = self.server.files[name]
        start = self._start(way, len(content))
        if start >= len(content):
            return self.send_error(416)
        self._send(way, content, start)

    def _start(self, way: str, size: int) -> int:
        asked = self.headers.get("Range")
        return 0 if asked is None or way == "norange" else int(asked[len("bytes=") : -1])

    def _send(self, way: str, content: bytes, start: int) -> None:
        told = start - 7 if way == "badrange" and start else start
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {told}-{len(content) - 1}/{len(content)}")
        if way != "nolength":
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = bytes(len(content) - start) if way == "corrupt" else content[start:]
        if way == "truncate":
            body = body[:TRUNCATED_AFTER]
        if way == "stuck":
            body = b""
        if way == "hang":
            self.wfile.write(body[: len(body) // 2])
            self.server.released.wait(30)
        else:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        with contextlib.ExitStack() as stack:
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            stack.callback(server.released.set)
            yield server


@pytest.fixture
def data_params(tmp_path: Path) -> Any:
    """Makes DataParams: the defaults of params.yaml, with the given keys changed."""

    def make(name: str, **changes: Any) -> DataParams:
        values = {
            "name": name,
            "root": str(tmp_path / "raw"),
            "path": None,
            "mirrors": [],
            "center_crop": None,
            "image_size": None,
            "test_fraction": 0.2,
            "num_train": None,
            "num_test": None,
        }
        return DataParams.model_validate(values | changes)

    return make

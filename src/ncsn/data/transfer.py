"""Receives a file from one address into a .part file, and resumes where a connection broke.

Addresses are https, or http on loopback for tests and local mirrors. `download` decides which file
is wanted and checks its content.
"""

import contextlib
import http.client
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from tqdm import tqdm

from ncsn.base.errors import UserError

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_CHUNK = 1 << 16
_CONNECTIONS = 5  # at most, to one address, while each brings more of the file


def reason_incomplete(address: str, part: Path, timeout_sec: float) -> str | None:
    """Fills `part` from an address; returns None once it is complete, else the reason.

    After a connection breaks, another one asks for the rest (Range), at most 5 in all and while
    each adds bytes. A server that ignores Range sends all of the file again.

    Args:
        address: of the file.
        part: the bytes that earlier connections brought; it need not exist.
        timeout_sec: longest silence of the server, in seconds.

    Returns:
        None, or why the last connection did not complete the file.

    Raises:
        UserError: the disk refuses a write.
    """
    reason = None
    for _ in range(_CONNECTIONS):
        before = _size(part)
        try:
            total = _receive(address, part, timeout_sec)
            if total is None or _size(part) == total:
                return None
            reason = f"connection ended at {_size(part)} of {total} bytes"
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            reason = _network_reason(error, timeout_sec)
        if _size(part) <= before:
            break
    return reason


def _receive(address: str, part: Path, timeout_sec: float) -> int | None:
    """Appends what one connection gives; returns the full size, None if the server omits it."""
    num_received = _size(part)
    headers = {"User-Agent": "ncsn"} | (
        {"Range": f"bytes={num_received}-"} if num_received else {}
    )
    request = urllib.request.Request(address, headers=headers)
    try:
        response = _opener().open(request, timeout=timeout_sec)
    except HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and num_received:
            return num_received  # the part has all bytes or more; the hash decides
        raise
    with response:
        start = _first_byte(response, num_received)
        length = response.headers.get("Content-Length")
        total = int(length) + start if length and length.isdigit() else None
        _append(response, part, start, total)
    return total


def _append(response: http.client.HTTPResponse, part: Path, start: int, total: int | None) -> None:
    with disk_errors(part):
        stream = open(part, "ab" if start else "wb", buffering=0)
    name = part.name.removeprefix(".").removesuffix(".part")
    with (
        stream,
        tqdm(
            desc=name, total=total, initial=start, unit="B", unit_scale=True, disable=None
        ) as bar,
    ):
        # read1 and no buffer: a silent server or a kill loses none of the bytes that have arrived
        while chunk := response.read1(_CHUNK):
            bar.update(len(chunk))
            with disk_errors(part):
                while chunk:
                    chunk = chunk[stream.write(chunk) :]


def _first_byte(response: http.client.HTTPResponse, num_received: int) -> int:
    """Where the answer starts: at `num_received` if the server resumes, at 0 if it does not."""
    if response.status != http.client.PARTIAL_CONTENT:
        return 0
    content_range = response.headers.get("Content-Range", "")
    if not content_range.startswith(f"bytes {num_received}-"):
        raise URLError(f"sent range {content_range!r} instead of 'bytes {num_received}-'")
    return num_received


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to addresses that `check_address` allows; urllib follows all."""

    def redirect_request(  # type: ignore[no-untyped-def]
        self, req, fp, code, msg, headers, newurl
    ) -> urllib.request.Request | None:
        try:
            check_address(newurl)
        except UserError:
            raise URLError(f"redirects to {newurl}, which is not https") from None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_SafeRedirects)


def check_address(address: str) -> None:
    """Raises a UserError unless `address` is https, or http on this machine's loopback."""
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    local = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise UserError(
            f"data.mirrors (value {address!r}): must be the https address of a folder (http only "
            "on localhost)"
        )


def _network_reason(error: Exception, timeout_sec: float) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(error, HTTPError):
        return f"HTTP {error.code} {error.reason}"
    if isinstance(cause, TimeoutError):
        return f"no answer for {timeout_sec:g} s"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(cause) or type(cause).__name__


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turns an OSError of the block into a UserError about `path`, so that no mirror is blamed."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0

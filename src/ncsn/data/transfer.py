"""One file from one address into a .part file, resumed where it broke off (standard library only).

https, and http on loopback for tests and local mirrors. Which file is wanted and whether its
content is right is the affair of `download`.
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
_CONNECTIONS = 5  # to one address, as long as each brings the file forward


def reason_incomplete(address: str, part: Path, timeout_sec: float) -> str | None:
    """Connects until `part` has all bytes (None), or until a connection adds none (the reason).

    A connection that breaks is followed by another one that asks for the rest (Range), at most 5
    in all. A server that ignores Range sends all of it again.

    Args:
        address: of the file.
        part: what earlier connections left, or no file yet.
        timeout_sec: longest silence of the server, in seconds.

    Returns:
        None, or why the file is not complete, in the words of the last connection.

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
    """Appends to `part` what one connection gives; returns the full size, None if not told."""
    have = _size(part)
    headers = {"User-Agent": "ncsn"} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(address, headers=headers)
    try:
        response = _opener().open(request, timeout=timeout_sec)
    except HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            return have  # nothing beyond what is here; the hash decides
        raise
    with response:
        start = _first_byte(response, have)
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
        # read1 and no buffer: what has arrived when the server falls silent or we are killed stays
        while chunk := response.read1(_CHUNK):
            bar.update(len(chunk))
            with disk_errors(part):
                while chunk:
                    chunk = chunk[stream.write(chunk) :]


def _first_byte(response: http.client.HTTPResponse, have: int) -> int:
    """Where the answer starts: at `have` if the server resumes, at 0 if it ignores Range."""
    if response.status != http.client.PARTIAL_CONTENT:
        return 0
    content_range = response.headers.get("Content-Range", "")
    if not content_range.startswith(f"bytes {have}-"):
        raise URLError(f"sent range {content_range!r} instead of 'bytes {have}-'")
    return have


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to addresses that would do as mirrors; urllib follows any to http."""

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
    """Turns an OSError of the block into a UserError about `path`: no mirror is to blame."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0

import gzip
import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ncsn.base.errors import UserError
from ncsn.data import transfer
from ncsn.data.download import RemoteFile, fetched_files

CONTENT = np.random.default_rng(0).bytes(3500)
WHOLE = RemoteFile("a.bin", hashlib.sha256(CONTENT).hexdigest(), "file")
PACKED = RemoteFile("a-idx.gz", hashlib.sha256(CONTENT).hexdigest(), "content")
ASIDE = "http://127.0.0.1:9/aside/"  # a mirror for arguments that must not be used


@pytest.fixture(autouse=True)
def served(server: Any) -> None:
    server.files |= {"a.bin": CONTENT, "a-idx.gz": gzip.compress(CONTENT, mtime=0)}


def fetch(tmp_path: Path, *mirrors: str, file: RemoteFile = WHOLE) -> bytes:
    (path,) = fetched_files([file], "toys", tmp_path / "raw", mirrors, timeout_sec=0.3)
    return path.read_bytes()


def left_over(tmp_path: Path) -> list[str]:
    files = (tmp_path / "raw" / "toys").iterdir()
    return sorted(file.name for file in files if file.suffix != ".lock")


@pytest.mark.parametrize("way", ["good", "norange", "nolength", "truncate"])
def test_a_file_arrives_whole_under_its_name(server: Any, tmp_path: Path, way: str) -> None:
    assert fetch(tmp_path, server.mirror(way)) == CONTENT
    assert left_over(tmp_path) == ["a.bin"]
    assert fetch(tmp_path, ASIDE) == CONTENT  # not fetched again


def test_broken_connections_are_resumed_where_they_broke(server: Any, tmp_path: Path) -> None:
    fetch(tmp_path, server.mirror("truncate"))
    ranges = [asked for _, _, asked in server.requests]
    assert ranges == [None, "bytes=1000-", "bytes=2000-", "bytes=3000-"]


def test_a_part_of_an_earlier_call_is_resumed(server: Any, tmp_path: Path) -> None:
    part = tmp_path / "raw" / "toys" / ".a.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:1234])
    assert fetch(tmp_path, server.mirror("good")) == CONTENT
    assert server.requests == [("good", "a.bin", "bytes=1234-")]


@pytest.mark.parametrize("way", ["good", "norange"])
@pytest.mark.parametrize("junk", [b"x" * 1234, b"x" * 3500, b"x" * 9999])
def test_a_wrong_part_is_thrown_away_and_fetched_once_more(
    server: Any, tmp_path: Path, way: str, junk: bytes
) -> None:
    part = tmp_path / "raw" / "toys" / ".a.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(junk)
    assert fetch(tmp_path, server.mirror(way)) == CONTENT
    assert left_over(tmp_path) == ["a.bin"]


def test_a_part_that_is_complete_already_needs_no_bytes(server: Any, tmp_path: Path) -> None:
    part = tmp_path / "raw" / "toys" / ".a.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT)
    assert fetch(tmp_path, server.mirror("good")) == CONTENT
    assert server.requests == [("good", "a.bin", "bytes=3500-")]


def test_mirrors_are_tried_in_order_until_one_is_right(server: Any, tmp_path: Path) -> None:
    ways = ["refuse", "redirect", "corrupt", "stuck", "hang", "good"]
    assert fetch(tmp_path, *(server.mirror(way) for way in ways)) == CONTENT
    assert list(dict.fromkeys(way for way, _, _ in server.requests)) == ways


def test_corrupt_content_is_fetched_twice_and_never_kept(server: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"must be {WHOLE.sha256}, found"):
        fetch(tmp_path, server.mirror("corrupt"))
    assert len(server.requests) == 2
    assert left_over(tmp_path) == []


def test_one_error_names_file_addresses_reasons_and_folder(server: Any, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}"
        mirrors = [server.mirror(way) for way in ("refuse", "redirect", "hang", "stuck")]
        with pytest.raises(UserError) as caught:
            files = [WHOLE, PACKED]
            fetched_files(files, "toys", tmp_path / "raw", [closed, *mirrors], timeout_sec=0.3)
    lines = str(caught.value).splitlines()
    folder = tmp_path / "raw" / "toys"
    assert lines[0].startswith(f"a.bin is neither in {folder} nor in {tmp_path / 'raw'}, and")
    assert lines[1:6] == [
        f"  {closed}/a.bin: Connection refused",
        f"  {mirrors[0]}a.bin: HTTP 403 Forbidden",
        f"  {mirrors[1]}a.bin: redirects to http://mirror.invalid/a.bin, which is not https",
        f"  {mirrors[2]}a.bin: no answer for 0.3 s",
        f"  {mirrors[3]}a.bin: connection ended at 3390 of 3500 bytes",
    ]
    assert lines[6:] == [f"Put a.bin, a-idx.gz into {folder}, or give an address in data.mirrors"]
    assert left_over(tmp_path) == [".a.bin.part"]  # for the next time


def test_a_server_that_sends_another_range_is_refused(server: Any, tmp_path: Path) -> None:
    part = tmp_path / "raw" / "toys" / ".a.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT[:100])
    with pytest.raises(UserError, match="instead of 'bytes 100-'"):
        fetch(tmp_path, server.mirror("badrange"))
    assert part.read_bytes() == CONTENT[:100]


@pytest.mark.parametrize(
    "mirror",
    [
        "http://example.com/x",
        "ftp://example.com",
        "file:///etc",
        "/etc",
        "",
        "https:///x",
        "http://127.0.0.1.example.com/",
        "http://[bad",
    ],
)
def test_only_https_and_loopback_are_used(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(UserError, match="must be the https address"):
        fetch(tmp_path, mirror)
    transfer.check_address("https://example.com/x")


@pytest.mark.parametrize("place", ["raw", "raw/toys"])
@pytest.mark.parametrize("name", ["a-idx.gz", "a-idx"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_local_file_is_used_first_packed_or_not(
    tmp_path: Path, place: str, name: str, packed: bool
) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True)
    content = gzip.compress(CONTENT, 1, mtime=0) if packed else CONTENT
    (folder / name).write_bytes(content)
    assert fetch(tmp_path, ASIDE, file=PACKED) == content


@pytest.mark.parametrize(
    "content", [b"other", gzip.compress(CONTENT, mtime=0)[:-9], b"\x1f\x8bno"]
)
def test_a_wrong_local_file_is_named_with_both_hashes_and_stays(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "raw" / "a-idx.gz"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        fetch(tmp_path, ASIDE, file=PACKED)
    message = str(caught.value)
    found = hashlib.sha256(content).hexdigest() if content == b"other" else "none, it is not a who"
    assert str(path) in message and PACKED.sha256 in message and f"found {found}" in message
    assert path.read_bytes() == content


def test_a_mirror_may_compress_anew(server: Any, tmp_path: Path) -> None:
    server.files["a-idx.gz"] = gzip.compress(CONTENT, 1, mtime=5)
    assert gzip.decompress(fetch(tmp_path, server.mirror("good"), file=PACKED)) == CONTENT


def test_a_full_disk_is_not_blamed_on_the_mirror(
    tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    monkeypatch.setattr(
        transfer,
        "open",
        lambda path, mode, buffering: open("/dev/full", mode, buffering),
        raising=False,
    )
    with pytest.raises(UserError, match=r"a\.bin\.part: cannot be written \(No space left"):
        fetch(tmp_path, server.mirror("good"))
    assert len(server.requests) == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot be written"):
        fetch(tmp_path, ASIDE)


def test_two_at_once_download_once(server: Any, tmp_path: Path) -> None:
    results: list[bytes] = []

    def one() -> None:
        results.append(fetch(tmp_path, server.mirror("good")))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [CONTENT] * 4
    assert len(server.requests) == 1


KILLED = """
import sys
from ncsn.data.download import RemoteFile, fetched_files
file = RemoteFile("a.bin", sys.argv[1], "file")
fetched_files([file], "toys", sys.argv[2], [sys.argv[3]])
"""


def test_a_killed_download_goes_on_where_it_was(server: Any, tmp_path: Path) -> None:
    root = tmp_path / "raw"
    args = [WHOLE.sha256, str(root), server.mirror("hang")]
    process = subprocess.Popen([sys.executable, "-c", KILLED, *args])
    part = root / "toys" / ".a.bin.part"
    deadline = time.monotonic() + 60
    while not (part.is_file() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert part.read_bytes() == CONTENT[:1750]
    server.requests.clear()
    assert fetch(tmp_path, server.mirror("good")) == CONTENT
    assert server.requests == [("good", "a.bin", "bytes=1750-")]

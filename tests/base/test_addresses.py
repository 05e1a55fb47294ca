"""Passwords: found in every form of an address, masked in every text, kept out of params.yaml."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ncsn.base.addresses import SECRETS_FILE, STORAGE, TRACKING, has_password, masked
from ncsn.base.errors import UserError
from ncsn.base.secrets_file import take_secrets
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import broken_rule, checked_params, known_keys

ROOT = Path(__file__).parents[2]
CANARY = "cANary7"
WITH_PASSWORD = [
    f"postgresql://me:{CANARY}@host/db",
    f"postgresql+psycopg://me:{CANARY}@host:5432/db?sslmode=require",
    f"postgresql://:{CANARY}@host/db",
    f"postgresql://me:{CANARY}%40@host/db",
    f"postgresql://me%3A{CANARY}@host/db",
    f"postgresql://me:x/{CANARY}@y@host/db",
    f"postgresql://me:x {CANARY}@host/db",
    f"postgresql://me:x://{CANARY}@host/db",
    f"POSTGRESQL://me:{CANARY}@host/db",
    f"postgresql://host/db?user=me&password={CANARY}",
    f"postgresql://host/db?p%61ssword={CANARY}",
    f"postgresql://host/db?sslpassword={CANARY}",
    f"mssql+pyodbc:///?odbc_connect=DRIVER%3Dx%3BPWD%3D{CANARY}",
    f"mysql://host/db?passwd={CANARY}",
    f"https://me:{CANARY}@host:5000/path",
    f"https://host/?access_token={CANARY}",
    f"https://host/?api_key={CANARY}&x=1",
]
WITHOUT = [
    "sqlite:///mlflow.db",
    "sqlite:////home/a:b/c@d.db",
    "http://127.0.0.1:5000",
    "http://me@host:5000/path",
    "postgresql://me@host:5432/db?sslmode=require&sslkey=/home/me/key",
    "databricks://profile",
]


@pytest.fixture(autouse=True)
def _no_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (STORAGE, TRACKING, "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("address", WITH_PASSWORD)
def test_a_password_is_found_and_masked(address: str) -> None:
    assert has_password(address)
    for text in (address, f"cannot open {address!r}: refused", f"2 of {address}"):
        assert CANARY not in masked(text) and "***" in masked(text)
    assert masked(masked(address)) == masked(address)


@pytest.mark.parametrize("address", WITHOUT)
def test_what_holds_no_password_is_shown_as_it_is(address: str) -> None:
    assert not has_password(address)
    assert masked(f"cannot open {address!r}: refused") == f"cannot open {address!r}: refused"


def test_what_stands_between_two_addresses_is_shown() -> None:
    address = WITH_PASSWORD[0]
    shown = "postgresql://me:***@host/db"
    assert masked(f"{address}: cannot ask {address} now") == f"{shown}: cannot ask {shown} now"


def test_a_path_is_no_address() -> None:
    assert not has_password("data/token=abc/images")


@pytest.mark.parametrize("address", WITH_PASSWORD)
@pytest.mark.parametrize("name", [STORAGE, TRACKING])
def test_pieces_of_a_password_in_the_environment_are_masked_anywhere(
    address: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library may quote the host or port that it read out of a password with an @."""
    monkeypatch.setenv(name, address)
    assert CANARY not in masked(f"no such host '{CANARY}@host'")


@pytest.mark.parametrize("address", WITH_PASSWORD)
@pytest.mark.parametrize("key", ["sweep.storage", "track.uri", "data.path", "sweep.storag"])
def test_a_password_in_params_is_refused_with_the_way_to_do_it(address: str, key: str) -> None:
    values = read_yaml(ROOT / "params.yaml")
    section, _, name = key.partition(".")
    values[section][name] = address
    with pytest.raises(UserError) as error:
        checked_params(values)
    told = str(error.value)
    assert f"{key} (value " in told and "must not hold a password" in told
    assert CANARY not in told
    if key in known_keys():
        assert CANARY not in str(broken_rule(values, key)) and broken_rule(values, key)
    if key in ("sweep.storage", "track.uri"):
        assert {"sweep.storage": STORAGE, "track.uri": TRACKING}[key] in told
        assert SECRETS_FILE in told


def test_a_password_in_a_list_is_refused() -> None:
    values = read_yaml(ROOT / "params.yaml")
    values["data"]["mirrors"] = ["https://host/", WITH_PASSWORD[0]]
    with pytest.raises(UserError, match=r"data\.mirrors .*must not hold a password"):
        checked_params(values)


def test_no_end_of_a_password_is_left_where_a_piece_of_it_was_masked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", f"{CANARY}/end")
    assert masked(f"refused: {CANARY}/end!") == "refused: ***!"
    assert masked(f"refused: {CANARY}!") == "refused: ***!"


def test_the_file_of_secrets_fills_the_environment_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TRACKING, "http://environment")
    monkeypatch.setenv(STORAGE, "x")
    monkeypatch.delenv(STORAGE)  # and is gone again after the test
    (tmp_path / SECRETS_FILE).write_text(
        f'# mine\n\n{STORAGE} = "postgresql://me:a=b@host/db"\n{TRACKING}=http://file\n'
    )
    take_secrets(tmp_path)
    assert os.environ[STORAGE] == "postgresql://me:a=b@host/db"
    assert os.environ[TRACKING] == "http://environment"


@pytest.mark.parametrize("line", [f"MLFLOW_TRACKING_URL=http://me:{CANARY}@host", CANARY])
def test_a_wrong_line_is_told_without_its_value(tmp_path: Path, line: str) -> None:
    (tmp_path / SECRETS_FILE).write_text(f"\n{line}\n")
    with pytest.raises(UserError, match="line 2: must be NAME=value") as error:
        take_secrets(tmp_path)
    assert CANARY not in str(error.value)


def test_git_ignores_the_file() -> None:
    done = subprocess.run(["git", "check-ignore", "-q", SECRETS_FILE], cwd=ROOT)
    assert done.returncode == 0


@pytest.mark.parametrize("kind", ["UserError", "RuntimeError"])
def test_scripts_show_no_password_in_a_line_or_a_traceback(kind: str) -> None:
    code = (
        "from ncsn.base.entry import entry\nfrom ncsn.base.errors import UserError\nimport os\n"
        f"def main():\n    raise {kind}(os.environ['{STORAGE}'])\nentry(main)"
    )
    environment = {**os.environ, STORAGE: WITH_PASSWORD[0]}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert done.returncode == (2 if kind == "UserError" else 1)
    assert "postgresql://me:***@host/db" in done.stderr and CANARY not in done.stderr


def test_no_source_shows_an_address_without_masking_it() -> None:
    """Addresses reach a text through `refusal`, `_refusal` or `masked` alone."""
    for path in (ROOT / "src").rglob("*.py"):
        for line in path.read_text().splitlines():
            if re.search(r"f\".*\{(uri|url|params\.storage|track\.uri)\b", line):
                assert "masked(" in line, f"{path}: {line}"

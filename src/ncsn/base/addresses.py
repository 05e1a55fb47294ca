"""Addresses of stores and databases, and the passwords that no eye should see.

`masked` is the one way by which such an address, or a text that may quote one, is shown or stored.
"""

import os
import re
from collections.abc import Iterator
from urllib.parse import unquote

STORAGE, TRACKING = "NCSN_SWEEP_STORAGE", "MLFLOW_TRACKING_URI"  # addresses in the environment
SECRETS_FILE = ".ncsn.env"  # of the project, with lines NAME=value; git ignores it
_SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_MASK = "***"
_LEAST_PIECE = 4  # characters; shorter pieces of a password stand in any text

# The last @ before the next address ends the password, which may hold @, / and spaces itself, or
# the last of the line: rather too much is masked than too little.
_SCHEME = r"\b[a-z][\w+.-]*://"
_USER = re.compile(rf"(?i)({_SCHEME}[^\s:/@]*(?::|%3a))((?:(?!{_SCHEME})[^\n])+(?=@)|[^\n]+(?=@))")
_PAIR = re.compile(r"([\w.%+-]+)(=)([^\s&;'\")]+)")
_SECRET_NAME = re.compile(
    r"(?i)pass(?:w|wd|word|phrase)?$|pwd$|token$|secret$|api_?key$|access_?key$|credentials?$|"
    r"signature$"
)


def masked(text: str) -> str:
    """Returns `text` with *** for every password: in addresses, queries, and of the environment.

    >>> masked("cannot open postgresql://me:hidden@host/db?sslpassword=x&sslmode=require")
    'cannot open postgresql://me:***@host/db?sslpassword=***&sslmode=require'
    >>> masked("sqlite:///mlflow.db"), masked("http://me@host:5000/")
    ('sqlite:///mlflow.db', 'http://me@host:5000/')
    """
    for secret in _environment_secrets():
        text = text.replace(secret, _MASK)
    return _hidden(text)


def has_password(address: str) -> bool:
    """Whether a text is an address with a password, a token or the like; a user alone is none."""
    line = " ".join(address.split())
    return "://" in line and _hidden(line) != line


def _hidden(text: str) -> str:
    return _PAIR.sub(_hidden_pair, _USER.sub(rf"\1{_MASK}", text))


def _hidden_pair(pair: re.Match[str]) -> str:
    """One `name=value`; an encoded value may be a whole connection string (odbc_connect)."""
    name, value = unquote(pair[1]), unquote(pair[3])
    inner = value != pair[3] and _hidden(value) != value
    return f"{pair[1]}={_MASK}" if inner or _SECRET_NAME.search(name) else pair[0]


def _environment_secrets() -> list[str]:
    """What must not be shown: as written, decoded, and in the pieces a parser may quote."""
    found = {os.environ[name] for name in _SECRETS if os.environ.get(name)}
    for name in (STORAGE, TRACKING):
        found.update(_passwords(os.environ.get(name, "")))
    whole = found | {unquote(secret) for secret in found}
    pieces = {piece for secret in whole for piece in re.split(r"[@:/?#;=\s]", secret)}
    long_enough = {piece for piece in whole | pieces if len(piece) >= _LEAST_PIECE}
    return sorted(long_enough, key=len, reverse=True)


def _passwords(address: str) -> Iterator[str]:
    for match in _USER.finditer(address):
        yield match[2]
    for pair in _PAIR.finditer(address):
        if _hidden_pair(pair) != pair[0]:
            yield pair[3]

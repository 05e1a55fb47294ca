"""Addresses with passwords, for those who do not set the environment: a file that git ignores."""

import os
from pathlib import Path

from ncsn.base.addresses import SECRETS_FILE, STORAGE, TRACKING
from ncsn.base.errors import UserError, nearest

_LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
NAMES = (STORAGE, TRACKING, *_LOGIN)


def take_secrets(project: str | Path) -> None:
    """Puts the lines NAME=value of the project's SECRETS_FILE into the environment.

    Variables that the environment has already are kept. Blank lines and lines that start with #
    are skipped; quotes around a value are taken off.

    Raises:
        UserError: the file cannot be read, or a line is not NAME=value with one of NAMES. The
            message shows no value.
    """
    path = Path(project) / SECRETS_FILE
    if not path.exists():
        return
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text ({type(error).__name__})") from None
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or name not in NAMES:
            known = f"must be NAME=value with one of {', '.join(NAMES)}"
            raise UserError(f"{path}, line {number}: {known}.{nearest(name, NAMES)}")
        os.environ.setdefault(name, value.strip("'\""))

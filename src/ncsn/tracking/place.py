"""Where the store of a project is. Imports no MLflow."""

import os
from pathlib import Path

from ncsn.base.addresses import TRACKING, masked
from ncsn.base.outside import main_project
from ncsn.config.params import TrackParams

SQLITE = "sqlite:///"


def store_uri(track: TrackParams, root: str | Path = ".") -> str:
    """Returns the store's address; a relative SQLite path is taken from the project at `root`.

    It may hold a password: it is shown through `masked` alone.
    """
    uri = os.environ.get(TRACKING) or track.uri
    if not uri.startswith(SQLITE):
        return uri
    return SQLITE + str((main_project(root) / uri.removeprefix(SQLITE)).resolve())


def database_path(uri: str) -> Path | None:
    """Returns the file of a SQLite address, None for any other address."""
    return Path(uri.removeprefix(SQLITE)) if uri.startswith(SQLITE) else None


def artifact_folder(track: TrackParams, root: str | Path = ".") -> Path:
    """Returns the folder of artifacts, for stores that leave its choice to the project."""
    return (main_project(root) / track.artifact_root).resolve()


def refusal(uri: str, reason: str) -> str:
    """One line: which setting names the store, its address, what is wrong with it."""
    key = TRACKING if os.environ.get(TRACKING) else "track.uri"
    return masked(f"{key} (value {uri!r}): {reason}")

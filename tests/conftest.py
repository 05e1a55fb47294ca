"""Fixtures that tests of more than one folder need."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder `shared` beside the repository; tests that need its data skip without it."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"{folder} with real data is not there")
    return folder

"""The key of the configuration in the current folder. No MLflow here, so it is taken at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncsn.dag import configuration_key
from ncsn.records import DataRecord, read_record


def present_key(data_summary: str | Path) -> str:
    """Returns the key of the configuration that lies in the current folder.

    Raises:
        UserError: `data_summary`, which `prepare` leaves, is missing.
    """
    return configuration_key(data_sha256(read_record(data_summary, DataRecord)))


def data_sha256(summary: Mapping[str, Any]) -> dict[str, str]:
    """Returns the hash of each split's content, from the summary that `prepare` leaves."""
    return {split: summary[split]["sha256"] for split in ("train", "test")}

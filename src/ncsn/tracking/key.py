"""What names the run of the configuration in the current folder. Imports no MLflow."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncsn.base.records import DataRecord, read_record
from ncsn.config.params import PathsParams, TrackParams
from ncsn.config.paths import FINGERPRINTS
from ncsn.runtime.dag import configuration_key, contents_key

KEY_TAG, MIRROR_TAG = "ncsn.key", "ncsn.mirror"


def present_key(data_summary: str | Path) -> str:
    """Returns the key of the configuration that lies in the current folder.

    Raises:
        UserError: `data_summary`, which `prepare` leaves, is missing.
    """
    return configuration_key(data_sha256(read_record(data_summary, DataRecord)))


def mirror_key(paths: PathsParams, track: TrackParams) -> str:
    """Returns a digest of what the run mirrors: numbers of all stages, and how they are sent.

    Arrays and networks are left out, since reading them takes long; they change with these.
    """
    code = Path(FINGERPRINTS, "track.json")
    numbers = (paths.data_summary, paths.reference_summary, paths.train_log, paths.sample_summary)
    shown = (paths.oracle_metrics, paths.metrics, paths.report)
    files = [code, *map(Path, (*numbers, *shown))]
    return contents_key([path for path in files if path.exists()], json.dumps(track.log_model))


def data_sha256(summary: Mapping[str, Any]) -> dict[str, str]:
    """Returns the hash of each split's content, from the summary that `prepare` leaves."""
    return {split: summary[split]["sha256"] for split in ("train", "test")}

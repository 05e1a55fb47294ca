"""The run that lies here: its preset, its numbers with their errors, its conditions."""

import importlib.metadata
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ncsn.base import metric_names as keys
from ncsn.base.dotted import flattened
from ncsn.base.errors import UserError
from ncsn.base.machine import cpu_name, git_commit, is_changed, output_of
from ncsn.base.records import read_metrics
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import PARAMS_FILE
from ncsn.config.paths import PathsParams
from ncsn.config.preset import preset_names, preset_values
from ncsn.runtime.dag import RESULT_STAGES, declared_params, stage_table
from ncsn.runtime.provenance import outdated
from ncsn.verify.published import Number, Run

Metrics = Mapping[str, float | str]
SEEDS = ("base.seed", "train.seed", "sample.seed")
_CONDITIONS = (
    keys.EXTRACTOR,
    keys.FEATURE_LAYER,
    keys.FID_NUM_SAMPLES,
    keys.NUM_REFERENCE,
    keys.REFERENCE_SPLIT,
)
_PACKAGES = ("torch", "torch-fidelity", "numpy")
_PLACES = ("data.path", "reference.weights_path")  # where the user's own files lie
_MOST_SHOWN = 5  # differences from a preset


def present_preset() -> str:
    """Returns the name of the preset whose results params.yaml asks for, whatever their seeds.

    Raises:
        UserError: it is none; the message says what differs from the nearest one.
    """
    decided = _deciding()
    others = {
        name: {
            key: value
            for key, value in preset_values(name).items()
            if key in decided and key not in (*_PLACES, *SEEDS) and decided[key] != value
        }
        for name in preset_names()
    }
    nearest = min(others, key=lambda name: len(others[name]))
    if not others[nearest]:
        return nearest
    changes = [f"{key} is {decided[key]}, not {v}" for key, v in others[nearest].items()]
    more = f" and {len(changes) - _MOST_SHOWN} more" if len(changes) > _MOST_SHOWN else ""
    raise UserError(
        f"{PARAMS_FILE}: is none of the presets, whose numbers are published. From the nearest,"
        f" '{nearest}', it differs in: {'; '.join(changes[:_MOST_SHOWN])}{more}"
    )


def _deciding() -> dict[str, Any]:
    """Values of params.yaml that decide results, by dotted key."""
    params, table = read_yaml(PARAMS_FILE), stage_table()
    found: dict[str, Any] = {}
    for stage in RESULT_STAGES:
        for key, value in declared_params(table[stage], params).items():
            found |= flattened({key: value}) if isinstance(value, dict) else {key: value}
    return found


def present_metrics(paths: PathsParams) -> Metrics:
    """Returns all metrics of the present params, which were computed on this machine.

    Raises:
        UserError: they were not, or a file cannot be read.
    """
    if reason := outdated(RESULT_STAGES):
        raise UserError(f"no metrics of the present params are here: {reason}; run `make repro`")
    return read_metrics(paths.reference_summary) | _generated(paths.metrics, paths.oracle_metrics)


def present_run(metrics: Metrics) -> Run:
    """Returns the run of the present params as it would be published."""
    params, commit = flattened(read_yaml(PARAMS_FILE)), git_commit()
    changed = " with changes" if commit and is_changed() else ""
    gpu = output_of(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"])
    return Run(
        date=datetime.now(UTC).date().isoformat(),
        commit=commit and commit + changed,
        machine=f"{cpu_name()}, GPU: {gpu or 'none'}",
        versions={name: importlib.metadata.version(name) for name in _PACKAGES},
        conditions=_conditions(metrics),
        seeds={key: params[key] for key in SEEDS},
        spread_over=None,
        numbers=numbers_of(metrics),
    )


def _conditions(metrics: Metrics) -> dict[str, str | int]:
    return {
        key: value if isinstance(value, str) else int(value)
        for key in _CONDITIONS
        if (value := metrics.get(key)) is not None
    }


def numbers_of(metrics: Metrics) -> dict[str, Number]:
    """Returns the numbers that are compared, each with its standard error where it has one.

    The error is that of the generated images drawn anew: two runs stand against one reference.
    """
    found = [keys.CLASSIFIER_ACCURACY, keys.FLOOR_FID]
    for measure in keys.MEASURES:
        oracle = measure.key.replace("eval/", "oracle/")
        found += [measure.key, oracle, keys.matched(measure.key)]
    return {key: _number(metrics, key) for key in found if key in metrics}


def _number(metrics: Metrics, key: str) -> Number:
    errors = (keys.samples_stderr_key(key), keys.stderr_key(key))
    known = [float(metrics[error]) for error in errors if error in metrics]
    return Number(value=float(metrics[key]), stderr=known[0] if known else None)


def spreads_over(folders: Sequence[str | Path], conditions: Mapping[str, Any]) -> dict[str, float]:
    """Returns the standard deviation of each number over runs, of those that varied.

    What is equal in all runs did not depend on what they varied, and has no spread by them.

    Args:
        folders: of each run, with its metrics.json, oracle.json and reference.json.
        conditions: under which all must have been measured.

    Raises:
        UserError: there are less than three, one cannot be read, or has other conditions.
    """
    if len(folders) < 3:
        rule = "a spread needs at least three runs"
        raise UserError(f"--spread: {rule}, got {len(folders)}")
    runs = []
    for folder in map(Path, folders):
        metrics = _generated(folder / "metrics.json", folder / "oracle.json")
        metrics = metrics | read_metrics(folder / "reference.json")
        if (found := _conditions(metrics)) != conditions:
            raise UserError(f"{folder}: has other conditions, {found} instead of {conditions}")
        runs.append(numbers_of(metrics))
    shared = [key for key in runs[0] if all(key in run for run in runs)]
    found_spreads = {key: statistics.stdev(run[key].value for run in runs) for key in shared}
    return {key: spread for key, spread in found_spreads.items() if spread > 0}


def _generated(metrics: str | Path, oracle: str | Path) -> dict[str, float | str]:
    return read_metrics(metrics) | read_metrics(oracle)

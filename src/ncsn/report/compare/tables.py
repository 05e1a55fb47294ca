"""The tables of a comparison: params that differ, metrics, cost; for page, CSV and terminal."""

import math
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

import pandas as pd

from ncsn.base import metric_names as keys
from ncsn.base.progress import duration, quantity
from ncsn.base.run_record import RunRecord
from ncsn.report.compare.conditions import CONDITIONS, conditions, groups
from ncsn.report.compare.verdicts import pairs, shown_error, standings

# Sections, and keys of base and data, that decide no result.
_FREE = ("track.", "sweep.", "report.", "toy.")
_FREE_KEYS = {"data.root", "data.mirrors"}
_BASE = "base."
_SEED = "base.seed"
EVALUATIONS = "sample/network_evaluations_per_image"


def letters(count: int) -> list[str]:
    """Returns short names of runs: A to Z, then AA and on.

    >>> letters(28)[-3:]
    ['Z', 'AA', 'AB']
    """
    names = [*ascii_uppercase, *(a + b for a in ascii_uppercase for b in ascii_uppercase)]
    return names[:count]


def differing_params(runs: Sequence[RunRecord]) -> pd.DataFrame:
    """Returns the params in which the runs differ: a row for each, a column for each run.

    A param that a run does not record is missing (None) and is no difference by itself.
    """
    names = dict.fromkeys(key for run in runs for key in run.params if _decides(key))
    rows = {
        key: [run.params.get(key) for run in runs]
        for key in names
        if len({run.params[key] for run in runs if key in run.params}) > 1
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=letters(len(runs)), dtype=object)


def metric_frame(runs: Sequence[RunRecord]) -> pd.DataFrame:
    """Returns one row for each run and metric, with its errors, conditions and verdict."""
    rows: list[dict[str, Any]] = []
    names = letters(len(runs))
    for number, group in enumerate(groups(runs), 1):
        for measure in keys.MEASURES:
            for place, standing in standings(runs, group, measure).items():
                error = shown_error(runs[place], measure.key)
                row: dict[str, Any] = {
                    "run": names[place],
                    "name": runs[place].name,
                    "metric": measure.key,
                }
                row |= {"metric": measure.key, "value": standing.value, "stderr": error}
                row |= {"stderr_same_reference": standing.error, "verdict": standing.says}
                rows.append(row | {"group": number} | _conditions(runs[place]))
    return pd.DataFrame(rows)


def run_frame(runs: Sequence[RunRecord]) -> pd.DataFrame:
    """Returns one row for each run: where it is, its conditions, params that differ, metrics."""
    params = differing_params(runs)
    rows = []
    for letter, run in zip(letters(len(runs)), runs, strict=True):
        row = {"run": letter, "name": run.name, "source": run.source, "when": run.when}
        row |= _conditions(run) | {str(key): params.at[key, letter] for key in params.index}
        rows.append(row | dict(sorted(run.metrics.items())))
    return pd.DataFrame(rows)


def pair_frame(runs: Sequence[RunRecord]) -> pd.DataFrame:
    """Returns one row for each two runs that were measured alike, and metric."""
    names = letters(len(runs))
    rows = [
        {"metric": pair.key, "first": names[pair.first], "second": names[pair.second]}
        | {"difference": pair.difference, "needed": pair.needed, "second_is": pair.second_is}
        for pair in pairs(runs)
    ]
    return pd.DataFrame(rows)


def cost_rows(runs: Sequence[RunRecord]) -> dict[str, list[str]]:
    """Returns what each run took, as text by what is counted; what no run records is left out."""
    rows = {
        "network evaluations per image": [_number(run, EVALUATIONS) for run in runs],
        "arithmetic of the samples": [_sampling(run) for run in runs],
        "images seen in training": [_images(run) for run in runs],
        "training": [_seconds(run, keys.TRAIN_DURATION_SEC, "seconds/train") for run in runs],
        "sampling": [_seconds(run, keys.SAMPLE_DURATION_SEC, "seconds/sample") for run in runs],
        "machine": [_machine(run) for run in runs],
    }
    return {name: row for name, row in rows.items() if any(cell != "–" for cell in row)}


def _decides(key: str) -> bool:
    if key.startswith(_FREE) or key in _FREE_KEYS:
        return False
    return key == _SEED or not key.startswith(_BASE)


def _conditions(run: RunRecord) -> dict[str, str | None]:
    own = conditions(run)
    return {name: own.get(name) for name in CONDITIONS}


def _number(run: RunRecord, key: str) -> str:
    value = run.known(key)
    return "–" if value is None else f"{float(value):,.10g}"


def _product(run: RunRecord, *where: str) -> float | None:
    values = [run.known(key) for key in where]
    return None if None in values else math.prod(float(value or 0) for value in values)


def _sampling(run: RunRecord) -> str:
    flops = _product(run, EVALUATIONS, "sample/flops_per_evaluation", keys.FID_NUM_SAMPLES)
    return quantity(flops, "FLOP") if flops else "–"


def _images(run: RunRecord) -> str:
    seen = _product(run, "train.num_steps", "train.batch_size")
    return "–" if seen is None or run.known("model.name") == "oracle" else f"{seen:,.0f}"


def _seconds(run: RunRecord, *where: str) -> str:
    value = run.known(*where)
    return "–" if value is None else duration(float(value))


def _machine(run: RunRecord) -> str:
    gpu = run.texts.get("env.gpu", "none")
    return gpu if gpu != "none" else run.texts.get("env.cpu", "–")

"""The results of a study's trials, found in DVC's cache and sent to the default remote."""

import json
from collections.abc import Iterable, Mapping
from contextlib import chdir, closing
from pathlib import Path
from typing import Any, NamedTuple

from ncsn.base.dotted import flattened
from ncsn.base.errors import UserError
from ncsn.base.yaml_file import read_yaml
from ncsn.config.params import PARAMS_FILE
from ncsn.sweep.trials.dvc_repo import KNOWN, dvc_faults, is_installed_known
from ncsn.sweep.trials.dvc_settings import default_remote
from ncsn.sweep.trials.remote import push_records

_DIGITS = 64  # of a record's name; a file that is being written has another
_SEEDS = ("sample.seed", "train.seed")  # every draw of a point counts, and every training


class Sent(NamedTuple):
    """How many results were found here, how many of them the remote lacked, and its name."""

    found: int
    sent: int
    remote: str


def push_results(main: Path, rows: Iterable[Mapping[str, Any]]) -> Sent:
    """Sends the results of all stages that this machine has of some configurations.

    Args:
        main: the project's top folder.
        rows: dotted params of each; all draws and trainings of them are sent.

    Raises:
        UserError: there is no default remote, it cannot be used, or DVC is of another version.
    """
    if not is_installed_known():
        raise UserError(f"results of a study can be sent with DVC {KNOWN} alone")
    remote = default_remote(main)
    if remote is None:
        make = "make one: dvc remote add --default NAME URL"
        raise UserError(f"{main}: DVC has no default remote to send results to; {make}")
    from dvc.repo import Repo

    with chdir(main), dvc_faults(main), closing(Repo(str(main))) as repo:
        runs = Path(repo.stage_cache.cache_dir)
        records = [path for path in sorted(runs.glob("*/*/*")) if len(path.name) == _DIGITS]
        chosen = [(path.parent.name, path.name) for path in _of_rows(records, [*rows])]
        try:
            sent = push_records(repo, remote.stores(repo), chosen)
        except Exception as error:  # each kind of remote has its own
            raise UserError(remote.fault(error)) from error
    return Sent(len(chosen), sent, remote.name)


def _of_rows(paths: Iterable[Path], rows: list[Mapping[str, Any]]) -> list[Path]:
    """Records whose params are those of a row, and that were made of what such records made."""
    records = {path: read_yaml(path) for path in paths} if rows else {}
    made = set[str]().union(*({path for path, _ in _files(r, "outs")} for r in records.values()))
    chosen = _with_params_of(records, rows)
    while True:
        there = set[tuple[str, str]]().union(*(_files(records[p], "outs") for p in chosen))
        kept = [
            path
            for path in chosen
            if all(dep in there or dep[0] not in made for dep in _files(records[path], "deps"))
        ]
        if len(kept) == len(chosen):
            return kept
        chosen = kept


def _files(record: Mapping[str, Any], kind: str) -> set[tuple[str, str]]:
    return {(file["path"], file["md5"]) for file in record.get(kind, [])}


def _with_params_of(
    records: Mapping[Path, Mapping[str, Any]], rows: list[Mapping[str, Any]]
) -> list[Path]:
    """Those whose declared params are a row's, as far as the rows name them."""
    named = set.intersection(*(set(row) for row in rows)) - set(_SEEDS) if rows else set()
    wanted: dict[tuple[str, ...], set[str]] = {}
    chosen = []
    for path, record in records.items():
        params = flattened(record.get("params", {}).get(str(PARAMS_FILE), {}))
        keys = tuple(sorted(named & set(params)))
        if keys not in wanted:
            wanted[keys] = {_values(row, keys) for row in rows}
        if _values(params, keys) in wanted[keys]:
            chosen.append(path)
    return chosen


def _values(row: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    return json.dumps([row[key] for key in keys])

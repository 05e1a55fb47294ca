"""Runs of any MLflow store, read and nothing made: neither a store nor an experiment."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from mlflow import MlflowClient
from mlflow.entities import Run

from ncsn.base.errors import UserError
from ncsn.base.metric_names import FID
from ncsn.base.run_record import CURVES, RunRecord
from ncsn.config.params import TrackParams
from ncsn.tracking.place import store_uri
from ncsn.tracking.run import FINISHED
from ncsn.tracking.run_images import run_images
from ncsn.tracking.store import connected, require_store, store_errors
from ncsn.tracking.studies import DRAWS_TAG, PARENT_TAG, STUDY_TAG, SWEEPS

LEAST_ID = 4  # characters of an id that may stand for it
_MOST = 5000  # runs that are looked at by name


class Wanted(NamedTuple):
    """Which runs: all conditions that are given must hold.

    Attributes:
        data: name of the data set.
        study: full name of a study, whose trials are meant.
        tag: name and value.
        since: ISO date; runs that began before it are left out.
        last: at most so many, the newest.
    """

    data: str | None
    study: str | None
    tag: tuple[str, str] | None
    since: datetime | None
    last: int


class ReadStore(NamedTuple):
    """A store that is only read.

    Attributes:
        client: its client.
        uri: its address, absolute.
        runs: id of the experiment of the runs, None where there is none.
        sweeps: that of the studies.
    """

    client: MlflowClient
    uri: str
    runs: str | None
    sweeps: str | None

    @property
    def experiments(self) -> list[str]:
        """The ids of both experiments, as far as they are there."""
        return [found for found in (self.runs, self.sweeps) if found is not None]


def read_store(track: TrackParams, root: str | Path = ".") -> ReadStore:
    """Opens the store for reading.

    Raises:
        UserError: there is none, it cannot be reached, or another version of MLflow made it.
    """
    uri = store_uri(track, root)
    require_store(uri)
    with store_errors(uri):
        client = connected(uri)
        names = (track.experiment, f"{track.experiment}{SWEEPS}")
        found = [client.get_experiment_by_name(name) for name in names]
    ids = [None if one is None else str(one.experiment_id) for one in found]
    return ReadStore(client, uri, *ids)


def wanted_runs(store: ReadStore, wanted: Wanted) -> list[RunRecord]:
    """Returns the newest complete runs that are wanted, the oldest of them first.

    Raises:
        UserError: no run is as wanted.
    """
    experiment = store.sweeps if wanted.study else store.runs
    found: Sequence[Run] = []
    with store_errors(store.uri):
        if experiment is not None:
            found = store.client.search_runs(
                [experiment],
                _filter(wanted),
                max_results=wanted.last,
                order_by=["attributes.start_time DESC"],
            )
        if not found:
            raise UserError(f"no complete run {_described(wanted)}; `make ui` shows all runs")
        return [run_record_of(store, run) for run in reversed(found)]


def named_runs(store: ReadStore, name: str, trials: int) -> list[RunRecord]:
    """Returns the run of a name, an id or the beginning of either, or the best trials of a study.

    Args:
        store: where to look.
        name: what the user typed.
        trials: of a study, at most so many, by its first objective.

    Returns:
        Nothing where the store has nothing of that name.

    Raises:
        UserError: several runs begin like this.
    """
    found = find_named(store, name)
    with store_errors(store.uri):
        if found and PARENT_TAG not in found[0].data.tags and STUDY_TAG in found[0].data.tags:
            return _best_trials(store, found[0], trials)
        return [run_record_of(store, run) for run in found]


def find_named(store: ReadStore, name: str) -> list[Run]:
    """Returns the run whose name or id this is, or begins like this, in a list of at most one.

    Raises:
        UserError: several runs begin like this.
    """
    with store_errors(store.uri):
        everything = list(_all_runs(store))
    found = [run for run in everything if name in (run.info.run_id, run.info.run_name)]
    found = found or [run for run in everything if _begins(run, name)]
    if len(found) > 1:
        raise UserError(f"{name!r}: several runs are called so: {_listed(found)}; give an id")
    return found


def known_names(store: ReadStore) -> list[str]:
    """Returns the names of all runs and studies, for a hint."""
    with store_errors(store.uri):
        return [str(run.info.run_name) for run in _all_runs(store)]


def run_record_of(store: ReadStore, run: Run) -> RunRecord:
    """Returns a run with its curves and the pictures of its first samples."""
    info, data = run.info, run.data
    ended = info.end_time or info.start_time
    when = datetime.fromtimestamp(ended / 1000, UTC).isoformat(timespec="seconds")
    return RunRecord(
        name=str(info.run_name),
        source=f"MLflow {info.run_id[:8]}",
        params=dict(data.params),
        metrics=dict(data.metrics),
        texts={key: str(value) for key, value in data.tags.items()},
        draws={
            key.removeprefix(DRAWS_TAG): json.loads(value)
            for key, value in data.tags.items()
            if key.startswith(DRAWS_TAG)
        },
        curves={key: _history(store, run, key) for key in CURVES if key in data.metrics},
        samples=run_images(store.client, run),
        run_id=str(info.run_id),
        experiment_id=str(info.experiment_id),
        when=when,
    )


def _filter(wanted: Wanted) -> str:
    parts = [f"attributes.status = '{FINISHED}'"]
    if wanted.data is not None:
        parts.append(f"params.`data.name` = '{_quoted(wanted.data)}'")
    if wanted.study is not None:
        parts += [f"tags.`{STUDY_TAG}` = '{_quoted(wanted.study)}'", f"tags.`{PARENT_TAG}` != ''"]
    if wanted.tag is not None:
        key, value = wanted.tag
        parts.append(f"tags.`{_quoted(key)}` = '{_quoted(value)}'")
    if wanted.since is not None:
        parts.append(f"attributes.start_time >= {int(wanted.since.timestamp() * 1000)}")
    return " and ".join(parts)


def _quoted(text: str) -> str:
    """A value inside MLflow's quotes, which know no escape."""
    if set(text) & set("'`\""):
        raise UserError(f"{text!r}: a filter cannot hold quotes")
    return text


def _described(wanted: Wanted) -> str:
    parts = [f"of {wanted.data}"] if wanted.data else []
    parts += [f"of the study {wanted.study}"] if wanted.study else []
    parts += ["with the tag {}={}".format(*wanted.tag)] if wanted.tag else []
    parts += [f"since {wanted.since:%Y-%m-%d}"] if wanted.since else []
    return " ".join(parts) or "in the present experiment"


def _all_runs(store: ReadStore) -> Iterator[Run]:
    token = None
    for _ in range(0, _MOST, 1000):
        if not store.experiments:
            return
        page = store.client.search_runs(store.experiments, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _begins(run: Run, name: str) -> bool:
    by_id = len(name) >= LEAST_ID and run.info.run_id.startswith(name)
    return by_id or (bool(name) and str(run.info.run_name).startswith(name))


def _listed(runs: Iterable[Run]) -> str:
    shown = [f"{run.info.run_name} ({run.info.run_id[:8]})" for run in runs]
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")


def _best_trials(store: ReadStore, parent: Run, count: int) -> list[RunRecord]:
    """The trials of a study that are best by FID; those without one come last."""
    wanted = f"tags.`{PARENT_TAG}` = '{parent.info.run_id}' and attributes.status = '{FINISHED}'"
    found = store.client.search_runs(
        [parent.info.experiment_id],
        wanted,
        max_results=count,
        order_by=[f"metrics.`{FID}` ASC"],
    )
    if not found:
        raise UserError(f"the study {parent.info.run_name} has no complete trial yet")
    return [run_record_of(store, run) for run in found]


def _history(store: ReadStore, run: Run, key: str) -> list[tuple[int, float]]:
    points = store.client.get_metric_history(run.info.run_id, key)
    return sorted({point.step: float(point.value) for point in points}.items())

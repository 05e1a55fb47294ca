"""A study in MLflow. A fault of MLflow is a warning, and never the end of a study."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ncsn.base.addresses import masked
from ncsn.base.trial_record import TrialRecord
from ncsn.config.params import TrackParams
from ncsn.sweep.results.status import numbers
from ncsn.sweep.search.database import Storage
from ncsn.sweep.search.pictures import ARTIFACTS, kept_samples
from ncsn.sweep.search.read import read_study
from ncsn.sweep.studies.plan import Plan, study_words
from ncsn.tracking.place import database_path, store_uri

if TYPE_CHECKING:
    from optuna import Study

    from ncsn.sweep.search.worker import Store

# A server that is lost costs a trial seconds, not MLflow's minutes: `sync` brings what is missed.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}


@dataclass(frozen=True)
class TrackedStudy:
    """A parent run that trials are published to; None where MLflow is left alone or fails."""

    run: Any

    @classmethod
    def opened(cls, track: TrackParams | None, plan: Plan, store: "Store") -> Self:
        """Opens the parent run, which one of many hosts that do so makes.

        Importing MLflow takes seconds, so only where it is wanted.
        """
        if track is None:
            return cls(None)
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)

        def open_run() -> Any:
            from ncsn.tracking.studies import open_study_run

            spec = plan.spec.model_dump(mode="json")
            making = store.coordinator().lock("mlflow")
            return open_study_run(track, plan.name, spec, store.root, making)

        return cls(_guarded(open_run))

    def note(self, study: "Study") -> None:
        """Notes in the study where the parent run is."""
        if self.run is not None:
            study.set_user_attr("mlflow_run_id", self.run.run_id)
            study.set_user_attr("mlflow_experiment_id", str(self.run.store.experiment_id))

    def publish(self, record: TrialRecord) -> str | None:
        """Publishes a trial and returns the id of its run, None where there is none."""
        if self.run is None:
            return None
        from ncsn.tracking.studies import publish_trial

        return _guarded(lambda: publish_trial(self.run, record))

    def links(self, objective: str, *, largest: bool) -> list[str]:
        """Returns lines with the study's pages in MLflow; `largest` values may be the best."""
        if self.run is None:
            return []
        from ncsn.tracking.study_pages import study_links

        return _guarded(lambda: study_links(self.run, objective, largest)) or []


def keep_runs(track: TrackParams | None, name: str, kept: str, root: Path) -> None:
    """Calls the runs of a study that was set aside as the study is called now.

    The study of the old name then begins with runs of its own: params of a run never change.
    """
    if track is None or _is_absent(track, root):
        return
    from ncsn.tracking.kept_studies import rename_study_runs

    _guarded(lambda: rename_study_runs(track, name, kept, root))


def sync(
    track: TrackParams, storage: Storage, name: str, root: Path, status: str | None = None
) -> int:
    """Publishes the ended trials that MLflow lacks or has as running; returns how many.

    Args:
        track: section `track` of params.yaml.
        storage: of the studies.
        name: full name of the study.
        root: the project's top folder.
        status: of the parent run; None takes FINISHED where no trial runs.

    Raises:
        UserError: no such study, or MLflow does not answer.
    """
    from ncsn.tracking.republished import Ended, republish

    data = read_study(storage, name)
    study = Ended(
        name=name,
        spec=data.spec,
        trials=[trial for trial in data.trials if trial.state != "running"],
        pictures=lambda: kept_samples(storage, name, root / ARTIFACTS),
        metrics=numbers(data),
        status=status or ("RUNNING" if data.running() else "FINISHED"),
    )
    return republish(track, study, root)


def sync_at_end(
    track: TrackParams | None, storage: Storage, plan: Plan, root: Path, *, interrupted: bool
) -> None:
    """The same when a study ends, which a fault of MLflow does not touch."""
    if track is None:
        return
    status = "KILLED" if interrupted else "FINISHED"
    if _guarded(lambda: sync(track, storage, plan.name, root, status)) is None:
        words = study_words(plan.study, plan.size, plan.model)
        again = f"when MLflow answers again: python pipeline/sweep.py sync {words}"
        print(f"         {again}", file=sys.stderr, flush=True)


def publish_page(track: TrackParams, name: str, page: Path, root: Path) -> str:
    """Puts the page of a study under its run in MLflow; returns its address, "" without a run."""
    if _is_absent(track, root):
        return ""
    from ncsn.tracking.study_pages import publish_study_page

    return _guarded(lambda: publish_study_page(track, name, page, root)) or ""


def _is_absent(track: TrackParams, root: Path) -> bool:
    database = database_path(store_uri(track, root))
    return database is not None and not database.exists()


def _guarded(action: Callable[[], Any]) -> Any:
    try:
        return action()
    except Exception as error:
        line = masked(str(error).partition("\n")[0])
        print(f"warning: not written to MLflow: {line}", file=sys.stderr, flush=True)
        return None

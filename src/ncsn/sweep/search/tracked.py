"""A study in MLflow. A fault of MLflow is a warning, and never the end of a study."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ncsn.base.addresses import masked
from ncsn.base.trial_record import TrialRecord
from ncsn.config.params import TrackParams
from ncsn.sweep.studies.plan import Plan
from ncsn.tracking.place import database_path, store_uri

if TYPE_CHECKING:
    from optuna import Study

    from ncsn.sweep.search.worker import Store


@dataclass(frozen=True)
class TrackedStudy:
    """A parent run that trials are published to; None where MLflow is left alone or fails."""

    run: Any

    @classmethod
    def opened(cls, track: TrackParams | None, plan: Plan, store: "Store") -> Self:
        """Opens the parent run, which one of many hosts that do so makes.

        Importing MLflow takes seconds, so only where it is wanted, and before the others wait.
        """
        if track is None:
            return cls(None)

        def open_run() -> Any:
            from ncsn.tracking.studies import open_study_run

            spec = plan.spec.model_dump(mode="json")
            with store.coordinator().lock("mlflow"):
                return open_study_run(track, plan.name, spec, store.root)

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

    def close(self, metrics: Mapping[str, float], *, interrupted: bool) -> None:
        """Ends the parent run with numbers of the whole study."""
        if self.run is None:
            return
        from ncsn.tracking.studies import close_study_run

        status = "KILLED" if interrupted else "FINISHED"
        _guarded(lambda: close_study_run(self.run, status, metrics))

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

"""The runs of a study that was set aside: they are called as the study is called now."""

from pathlib import Path

from ncsn.config.params import TrackParams
from ncsn.tracking.key import KEY_TAG
from ncsn.tracking.retry import retried
from ncsn.tracking.store import open_store
from ncsn.tracking.studies import STUDY_TAG, TRIAL_TAG, of_sweeps, trial_names

_MOST = 50_000  # MLflow's limit of runs at once, beyond any study


def rename_study_runs(track: TrackParams, name: str, kept: str, root: str | Path = ".") -> None:
    """Calls the runs of a study `kept`, so that `name` is free; a store without them stays.

    Args:
        track: as `open_study_run`.
        name: full name of the study until now.
        kept: its new one.
        root: as `open_study_run`.

    Raises:
        UserError: the store cannot be opened.
    """
    store = open_store(of_sweeps(track), root)
    wanted = f"tags.`{STUDY_TAG}` = '{name}'"
    for run in store.client.search_runs([store.experiment_id], wanted, max_results=_MOST):
        trial = run.data.tags.get(TRIAL_TAG)
        key, shown = (f"study {kept}", kept) if trial is None else trial_names(kept, trial)
        for tag, value in ((KEY_TAG, key), (STUDY_TAG, kept)):
            retried(store.client.set_tag, run.info.run_id, tag, value)
        retried(store.client.update_run, run.info.run_id, name=shown)

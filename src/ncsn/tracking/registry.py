"""The best model of each data set: an entry of MLflow's registry, and its alias `champion`."""

from pathlib import Path
from typing import NamedTuple

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from ncsn.base import metric_names as keys
from ncsn.base.errors import UserError, nearest
from ncsn.config.params import TrackParams
from ncsn.tracking.links import host_of
from ncsn.tracking.reading import find_named, known_names, read_store
from ncsn.tracking.run import NOTE_TAG
from ncsn.tracking.store import store_errors, store_lock

CHAMPION = "champion"
_SHOWN = ("sampler.name", "sampler.epsilon", "sampler.steps_per_level", "noise.num_levels")


class Champion(NamedTuple):
    """A registered version.

    Attributes:
        name: of the registered model.
        version: its number.
        was: number of the version that had the alias before; None without one.
        link: its page.
    """

    name: str
    version: str
    was: str | None
    link: str


def set_champion(track: TrackParams, run: str, root: str | Path = ".") -> Champion:
    """Registers the model of a run, once, and gives it the alias `champion` of its data set.

    Args:
        track: where the store is.
        run: its name, its id, or the beginning of one.
        root: folder from which a relative store is taken.

    Raises:
        UserError: there is no such run, or it logged no model.
    """
    store = read_store(track, root)
    found = find_named(store, run)
    if not found:
        hint = nearest(run, known_names(store))
        raise UserError(f"{run!r}: no such run in the store.{hint}")
    with store_errors(store.uri), store_lock(store.uri, "registry"):
        whole = store.client.get_run(found[0].info.run_id)  # a search leaves out its models
        model_id, data = _model_of(whole), whole.data.params.get("data.name", "data")
        name = f"ncsn-{data}"
        _ensure(store.client, name, data)
        version = _version(store.client, name, whole, model_id)
        was = _present(store.client, name)
        store.client.set_registered_model_alias(name, CHAMPION, version.version)
    link = f"{host_of(store.uri)}/#/models/{name}/versions/{version.version}"
    return Champion(name, str(version.version), was, link)


def _model_of(run: Run) -> str:
    outputs = run.outputs.model_outputs if run.outputs else []
    inputs = run.inputs.model_inputs if run.inputs else []
    models = [entry.model_id for entry in (*outputs, *inputs)]
    if not models:
        why = "its track.log_model was false, or it has the exact score in place of a network"
        raise UserError(f"{run.info.run_name}: logged no model ({why})")
    return str(models[0])


def _ensure(client: MlflowClient, name: str, data: str) -> None:
    if not client.search_registered_models(f"name = '{name}'"):
        text = f"Score networks for {data}; `models:/{name}@{CHAMPION}` is the chosen one."
        client.create_registered_model(name, {"data": data}, text)


def _version(client: MlflowClient, name: str, run: Run, model_id: str) -> ModelVersion:
    """The version that stands for this run; a network drawn from in two ways has two."""
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.run_id == run.info.run_id:
            return version
    sampler = {key: run.data.params[key] for key in _SHOWN if key in run.data.params}
    hashes = [f"data.{split}_sha256" for split in ("train", "test")]
    digests = {key: run.data.tags.get(key, "") for key in hashes}
    fid = run.data.metrics.get(keys.FID)
    tags = sampler | digests | ({keys.FID: f"{fid:.4g}"} if fid is not None else {})
    return client.create_model_version(
        name,
        f"models:/{model_id}",
        run.info.run_id,
        tags,
        description=run.data.tags.get(NOTE_TAG, str(run.info.run_name)),
        model_id=model_id,
    )


def _present(client: MlflowClient, name: str) -> str | None:
    try:
        return str(client.get_model_version_by_alias(name, CHAMPION).version)
    except MlflowException:  # no version has the alias
        return None

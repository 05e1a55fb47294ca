"""The trained network as a logged model of MLflow: one per checkpoint, shared by its runs.

The model is a pyfunc that names the module which loads it (`score_model`), so logging it neither
pickles nor runs the network. It carries the averaged weights alone, a quarter of a checkpoint that
also holds the trained weights and Adam's two moments, and a copy of this package, so that it still
loads when the package has moved on.
"""

import dataclasses
import importlib.metadata
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import mlflow.pyfunc
import numpy as np
from mlflow.entities import LoggedModel, LoggedModelInput, LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

import ncsn
from ncsn.base.files import file_sha256
from ncsn.tracking.results import dotted
from ncsn.tracking.store import Store, store_lock

CHECKPOINT_TAG = "ncsn.checkpoint_sha256"
NAME = "score_net"
_LOADER = "ncsn.tracking.score_model"  # a name: it imports torch
_PACKAGES = ("mlflow", "torch", "numpy", "pydantic", "ruamel.yaml")


class Network(NamedTuple):
    """What a logged model is made of.

    Attributes:
        checkpoint: its file.
        image_shape: (C, H, W).
        params: sections of params.yaml that describe it.
        step: training step of the checkpoint.
        tags: what it was trained on and with, for MLflow's page of the model.
    """

    checkpoint: Path
    image_shape: tuple[int, int, int]
    params: Mapping[str, Any]
    step: int
    tags: Mapping[str, str]


def publish_model(store: Store, run_id: str, network: Network) -> str:
    """Links the run to the logged model of its checkpoint, made by the first run that has it.

    That run has the model as an output, all others as an input.

    Returns:
        The id of the model; it loads from `models:/<id>`.
    """
    sha256 = file_sha256(network.checkpoint)
    with store_lock(store.uri, "models"):
        found = _logged_model(store, sha256)
        model = found or _create_model(store, run_id, network, sha256)
    _link(store, run_id, model, network.step)
    return str(model.model_id)


def score_signature(image_shape: tuple[int, int, int]) -> ModelSignature:
    """Inputs x and level, output score, as tensors of any batch size."""
    images = (-1, *image_shape)
    float32, int64 = np.dtype("float32"), np.dtype("int64")
    inputs = [TensorSpec(float32, images, "x"), TensorSpec(int64, (-1,), "level")]
    return ModelSignature(Schema(inputs), Schema([TensorSpec(float32, images, "score")]))


def _example(image_shape: tuple[int, int, int]) -> dict[str, np.ndarray]:
    """One black image at the noisiest level."""
    return {"x": np.zeros((1, *image_shape), np.float32), "level": np.zeros(1, np.int64)}


def _logged_model(store: Store, sha256: str) -> LoggedModel | None:
    """The finished model of a checkpoint; what a killed process left unfinished is removed."""
    finished = None
    query = f"tags.`{CHECKPOINT_TAG}` = '{sha256}'"
    for model in store.client.search_logged_models([store.experiment_id], query):
        if model.status == LoggedModelStatus.READY:
            finished = model
        else:
            store.client.delete_logged_model(model.model_id)
    return finished


def _create_model(store: Store, run_id: str, network: Network, sha256: str) -> LoggedModel:
    model = store.client.create_logged_model(
        store.experiment_id,
        name=NAME,
        source_run_id=run_id,
        tags={CHECKPOINT_TAG: sha256, **network.tags},
        params=dotted(network.params),
        model_type="score network",
    )
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder) / "model"
        _save_model(files, network, Model(model_id=model.model_id, run_id=run_id))
        store.client.log_model_artifacts(model.model_id, str(files))
    return store.client.finalize_logged_model(model.model_id, "READY")


def _save_model(folder: Path, network: Network, description: Model) -> None:
    weights = folder.with_name("weights.pt")
    _write_weights(network.checkpoint, weights)
    mlflow.pyfunc.save_model(
        str(folder),
        loader_module=_LOADER,
        data_path=str(weights),
        code_paths=[str(Path(ncsn.__file__).parent)],
        signature=score_signature(network.image_shape),
        input_example=_example(network.image_shape),
        pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in _PACKAGES],
        mlflow_model=description,
    )


def _write_weights(checkpoint: Path, target: Path) -> None:
    """Writes a checkpoint without what only training needs."""
    from ncsn.train.checkpoint import (  # torch: only for a new model
        load_checkpoint,
        save_checkpoint,
    )

    whole = load_checkpoint(checkpoint)
    save_checkpoint(target, dataclasses.replace(whole, net={}, optimizer={}))


def _link(store: Store, run_id: str, model: LoggedModel, step: int) -> None:
    run = store.client.get_run(run_id)
    outputs = run.outputs.model_outputs if run.outputs else []
    linked = {entry.model_id for entry in [*run.inputs.model_inputs, *outputs]}
    if model.model_id in linked:
        return
    if model.source_run_id == run_id:
        store.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=step)])
    else:
        store.client.log_inputs(run_id, models=[LoggedModelInput(model.model_id)])

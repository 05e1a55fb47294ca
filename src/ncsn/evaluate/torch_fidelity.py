"""The one door to torch-fidelity: its feature extractors and its metrics.

It is called through its pure functions, never through its cache on disk: the key of that cache
holds neither the content of the images nor the weights, so it would serve stale numbers. Only the
stages `reference` and `evaluate` pay for this import.
"""

import contextlib
import importlib
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from ncsn.base.errors import UserError
from ncsn.evaluate.classifier import FEATURE_LAYER, load_classifier
from ncsn.runtime.memory import halving
from ncsn.runtime.threads import one_thread

CLASSIFIER = "classifier"
INCEPTION = "inception-v3-compat"
# Images at once, whatever base.max_batch_size says: another number of them moves the last digits.
# Inception keeps maps of 147 x 147 x 64 for each.
_BATCH = {CLASSIFIER: 128, INCEPTION: 50}
_PRC_BATCH = 1000  # rows of a distance matrix at once: 200 MB against 50,000 images


def mended_torchvision() -> torch.library.Library | None:
    """Imports torchvision, also where its compiled operators do not match the installed torch.

    A torchvision built for CUDA fails to import beside a CPU-only torch, because it describes two
    operators that its own library could not register. torch-fidelity needs none of its operators,
    so declaring the two is enough. A healthy torchvision is left alone.

    Returns:
        The declarations, which hold as long as the object lives, or None when none were needed.
    """
    try:
        importlib.import_module("torchvision")
        return None
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # the half that was imported
    declarations = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        declarations.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    importlib.import_module("torchvision")
    return declarations


TORCHVISION_DECLARATIONS = mended_torchvision()

import torch_fidelity  # noqa: E402
from torch_fidelity import feature_extractor_inceptionv3  # noqa: E402
from torch_fidelity.metric_isc import isc_features_to_metric  # noqa: E402
from torch_fidelity.metric_kid import kid_features_to_metric  # noqa: E402
from torch_fidelity.metric_prc import prc_features_to_metric  # noqa: E402
from torch_fidelity.utils import (  # noqa: E402
    create_feature_extractor,
    get_featuresdict_from_dataset,
)


class ClassifierExtractor(torch_fidelity.FeatureExtractorBase):
    """The classifier of stage `reference` in torch-fidelity's form.

    Takes uint8 (B,3,H,W), as every extractor there; of a grey image only the first channel is
    looked at, since `extract_features` repeats it.
    """

    def __init__(
        self,
        name: str,
        features_list: Sequence[str],
        feature_extractor_weights_path: str | None = None,
        **ignored: Any,  # torch-fidelity hands every option of a call to every extractor
    ) -> None:
        super().__init__(name, list(features_list))
        if feature_extractor_weights_path is None:
            raise ValueError("feature_extractor_weights_path: must name the classifier's file")
        self.net = load_classifier(feature_extractor_weights_path)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Returns the requested layers, each (B,D) float32."""
        outputs = self.net(images[:, : self.net.in_channels])
        layers = {FEATURE_LAYER: outputs.features, "logits": outputs.logits}
        return tuple(layers[name] for name in self.features_list)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        """The layers that `forward` can return."""
        return FEATURE_LAYER, "logits"

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        """The layer that torch-fidelity takes for `metric` unless told otherwise."""
        return "logits" if metric == "isc" else FEATURE_LAYER

    @staticmethod
    def can_be_compiled() -> bool:
        """Compiling would take longer than it saves."""
        return False

    @staticmethod
    def get_dummy_input_for_compile() -> torch.Tensor:
        """Never called, since `can_be_compiled` is False; part of torch-fidelity's contract."""
        return torch.zeros((1, 3, 8, 8), dtype=torch.uint8)


torch_fidelity.register_feature_extractor(CLASSIFIER, ClassifierExtractor)
INCEPTION_URL: str = feature_extractor_inceptionv3.URL_INCEPTION_V3


class Layers(NamedTuple):
    """Which layers of an extractor the metrics use."""

    features: str  # FID, KID, precision and recall
    logits: str | None  # Inception Score; None where the extractor has no class scores to give


def metric_layers(extractor: str, feature_layer: str) -> Layers:
    """Returns the layers for an extractor that is cut at `feature_layer`.

    Inception cut before its last layer may come from weights that end there, so its class scores
    are not used: they are asked for with layer 2048 only.
    """
    if extractor == CLASSIFIER:
        return Layers(FEATURE_LAYER, "logits")
    return Layers(feature_layer, "logits_unbiased" if feature_layer == "2048" else None)


class RGBImages(torch.utils.data.Dataset[torch.Tensor]):
    """Images as torch-fidelity takes them: uint8 (3,H,W), grey ones repeated.

    Args:
        images: uint8, an array (N,H,W,C) or a tensor (N,C,H,W); C is 1 or 3.

    Raises:
        UserError: another type, rank or number of channels.
    """

    def __init__(self, images: np.ndarray | torch.Tensor) -> None:
        if isinstance(images, np.ndarray):
            images = torch.from_numpy(images).movedim(-1, 1)
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
            found = f"{images.dtype} (N,C,H,W) = {tuple(images.shape)}"
            raise UserError(f"images: must be uint8 with 1 or 3 channels, got {found}")
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.images[index].expand(3, -1, -1)


def extract_features(
    images: np.ndarray | torch.Tensor,
    extractor: str,
    layers: Sequence[str],
    weights_path: str | Path,
    device: torch.device | str,
) -> dict[str, torch.Tensor]:
    """Returns the outputs of an extractor's layers, made by torch-fidelity's own objects.

    The forward pass ends at the last layer asked for. The global random state is as before. The
    batches are of a fixed size; a GPU whose memory is too small for them gets smaller ones, which
    move the last digits. On a CPU full batches of Inception, and they alone, have all threads:
    their features do not depend on how many there are, those of a small batch do.

    Args:
        images: uint8, an array (N,H,W,C) or a tensor (N,C,H,W); grey ones are repeated to RGB.
        extractor: `classifier` or `inception-v3-compat`.
        layers: names of layers, as `metric_layers` gives them.
        weights_path: the extractor's state dict.
        device: where the extractor runs.

    Returns:
        By name of layer: (N,D) float32 on the CPU.
    """
    device = torch.device(device)
    cuda = device.type == "cuda"
    # torch-fidelity draws initial weights globally, and knows only the current CUDA device
    current = torch.cuda.device(device) if cuda else contextlib.nullcontext()
    with torch.random.fork_rng(devices=[]), current:
        network = create_feature_extractor(
            extractor,
            list(layers),
            cuda=cuda,
            verbose=False,
            feature_extractor_weights_path=str(weights_path),
        )
        if extractor == INCEPTION and not cuda:  # convolutions of a CPU: 1.75 times as fast
            network.to(memory_format=torch.channels_last)
        extract = partial(_in_batches, images, network, extractor == INCEPTION, cuda)
        features, _ = halving(extract, _BATCH[extractor], "features")
    return features


def _in_batches(
    images: np.ndarray | torch.Tensor,
    network: torch.nn.Module,
    full_on_all_threads: bool,
    cuda: bool,
    batch_size: int,
) -> dict[str, torch.Tensor]:
    """Features by layer; full batches first, the rest on one thread."""
    full = len(images) // batch_size * batch_size if full_on_all_threads else 0
    parts = [_features(images[:full], network, batch_size, cuda)] if full else []
    if full < len(images):
        with one_thread():
            parts.append(_features(images[full:], network, batch_size, cuda))
    return {layer: torch.cat([part[layer] for part in parts]) for layer in parts[0]}


def _features(
    images: np.ndarray | torch.Tensor, network: torch.nn.Module, batch_size: int, cuda: bool
) -> dict[str, torch.Tensor]:
    features: dict[str, torch.Tensor] = get_featuresdict_from_dataset(
        RGBImages(images),
        network,
        batch_size,
        cuda,
        save_cpu_ram=True,  # that is: load in this process
        verbose=sys.stderr.isatty(),
    )
    return features


def kernel_distance(
    generated: torch.Tensor, real: torch.Tensor, num_subsets: int, subset_size: int, seed: int
) -> tuple[float, float]:
    """torch-fidelity's KID of features (N,D): mean and standard deviation over random subsets."""
    value = kid_features_to_metric(
        generated,
        real,
        kid_subsets=num_subsets,
        kid_subset_size=subset_size,
        rng_seed=seed,
        verbose=False,
    )
    return value[torch_fidelity.KEY_METRIC_KID_MEAN], value[torch_fidelity.KEY_METRIC_KID_STD]


def inception_score(logits: torch.Tensor, num_splits: int, seed: int) -> tuple[float, float]:
    """torch-fidelity's Inception Score of class scores (N,K): mean and std over splits."""
    value = isc_features_to_metric(logits, splits=num_splits, shuffle=True, rng_seed=seed)
    return value[torch_fidelity.KEY_METRIC_ISC_MEAN], value[torch_fidelity.KEY_METRIC_ISC_STD]


def precision_recall(
    generated: torch.Tensor, real: torch.Tensor, neighborhood: int
) -> tuple[float, float]:
    """torch-fidelity's precision and recall (Kynkaanniemi et al. 2019) of features (N,D)."""
    value = prc_features_to_metric(
        generated,
        real,
        prc_neighborhood=neighborhood,
        prc_batch_size=_PRC_BATCH,
        save_cpu_ram=True,  # that is: never hold a whole distance matrix
        verbose=False,
    )
    return value[torch_fidelity.KEY_METRIC_PRECISION], value[torch_fidelity.KEY_METRIC_RECALL]

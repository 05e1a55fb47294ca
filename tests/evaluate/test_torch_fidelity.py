"""The door to torch-fidelity: both states of torchvision, batches, random state, two routes."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ncsn.base.errors import UserError
from ncsn.evaluate import torch_fidelity as fidelity
from ncsn.evaluate.classifier import Classifier, save_classifier
from ncsn.evaluate.metrics import feature_statistics, statistics_distance
from ncsn.maths.frechet import frechet_distance, gaussian_statistics

HEALTHY = """
import torch
library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""
# What torchvision does on import: describe operators that its own library has registered.
DESCRIBED = """
import torch
@torch.library.register_fake("torchvision::nms")
def meta_nms(dets, scores, iou_threshold): return dets
@torch.library.register_fake("torchvision::qnms")
def meta_qnms(dets, scores, iou_threshold): return dets
from . import datasets, models, transforms
"""


def door_with(torchvision: str, folder: Path) -> str:
    """Opens the door beside a stand-in torchvision; returns what was declared for it."""
    package = folder / "torchvision"
    (package / "transforms").mkdir(parents=True)
    (package / "__init__.py").write_text(torchvision)
    (package / "transforms" / "__init__.py").write_text("from . import functional")
    (package / "transforms" / "functional.py").touch()
    (package / "models.py").touch()
    (package / "datasets.py").write_text(
        "class CIFAR10: ...\nclass CIFAR100: ...\nclass STL10: ..."
    )
    code = (
        "from ncsn.evaluate import torch_fidelity as fidelity; import torchvision, torch;"
        "torch.ops.torchvision.qnms;"
        f"assert torchvision.__file__.startswith({str(folder)!r});"
        "print(fidelity.TORCHVISION_DECLARATIONS is not None)"
    )
    environment = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize(
    ("torchvision", "declared"), [(HEALTHY + DESCRIBED, "False"), (DESCRIBED, "True")]
)
def test_torchvision_is_mended_only_where_it_is_broken(
    torchvision: str, declared: str, tmp_path: Path
) -> None:
    assert door_with(torchvision, tmp_path) == declared


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of 9x8 grey images with random weights."""
    net = Classifier((1, 9, 8), 5)
    draw = torch.Generator().manual_seed(0)
    for value in net.parameters():
        torch.nn.init.normal_(value, std=0.2, generator=draw)
    path = tmp_path_factory.mktemp("weights") / "classifier.pt"
    save_classifier(path, net)
    return path


def grey(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 9, 8, 1), dtype=np.uint8)


def classified(images: np.ndarray | torch.Tensor, weights: Path) -> dict:
    return fidelity.extract_features(images, "classifier", ["128", "logits"], weights, "cpu")


def test_layers_have_one_row_per_image(weights: Path) -> None:
    outputs = classified(grey(20), weights)
    assert outputs["128"].shape == (20, 128) and outputs["logits"].shape == (20, 5)
    assert outputs["128"].dtype == torch.float32


def test_batch_size_does_not_matter(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where memory runs out a batch is halved; beyond rounding nothing changes."""
    large = classified(grey(20), weights)
    monkeypatch.setitem(fidelity._BATCH, "classifier", 3)
    small = classified(grey(20), weights)
    for layer in small:
        torch.testing.assert_close(small[layer], large[layer], rtol=1e-5, atol=1e-5)


def test_features_do_not_depend_on_the_number_of_threads(weights: Path) -> None:
    one, two = (in_threads(n, lambda: classified(grey(7), weights)) for n in (1, 2))
    assert all(torch.equal(one[layer], two[layer]) for layer in one)


def in_threads(count: int, call: Callable[[], dict]) -> dict:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        return call()
    finally:
        torch.set_num_threads(before)


def test_arrays_and_tensors_are_the_same_images(weights: Path) -> None:
    array = grey(6)
    tensor = torch.from_numpy(array).permute(0, 3, 1, 2).contiguous()
    assert torch.equal(classified(array, weights)["128"], classified(tensor, weights)["128"])


def test_the_global_random_state_is_untouched(weights: Path) -> None:
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()[1].copy()
    outputs = classified(grey(30), weights)
    fidelity.kernel_distance(outputs["128"], outputs["128"], 3, 10, 1)
    fidelity.inception_score(outputs["logits"], 3, 1)
    assert torch.equal(torch_state, torch.get_rng_state())
    assert (numpy_state == np.random.get_state()[1]).all()


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((4, 9, 8, 1), np.float32),
        np.zeros((4, 9, 8, 2), np.uint8),
        np.zeros((9, 8, 1), np.uint8),
    ],
)
def test_other_images_are_refused(images: np.ndarray, weights: Path) -> None:
    with pytest.raises(UserError, match="must be uint8"):
        classified(images, weights)


def test_images_of_another_size_are_refused(weights: Path) -> None:
    with pytest.raises(UserError, match=r"\(1, 9, 8\)"):
        classified(np.zeros((4, 8, 8, 1), np.uint8), weights)


def test_only_the_last_layer_of_inception_gives_class_scores() -> None:
    inception, cut = (
        fidelity.metric_layers("inception-v3-compat", layer) for layer in ("2048", "768")
    )
    assert inception == ("2048", "logits_unbiased")
    assert cut == ("768", None)
    assert fidelity.metric_layers("classifier", "128") == ("128", "logits")


def test_the_route_of_calculate_metrics_gives_the_same_numbers(weights: Path) -> None:
    generated, real, seed = grey(60, seed=1), grey(50, seed=2) // 2, 7
    expected = fidelity.torch_fidelity.calculate_metrics(
        input1=fidelity.RGBImages(generated),
        input2=fidelity.RGBImages(real),
        feature_extractor="classifier",
        feature_extractor_weights_path=str(weights),
        fid=True,
        kid=True,
        isc=True,
        prc=True,
        kid_subsets=5,
        kid_subset_size=30,
        rng_seed=seed,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )
    first, second = classified(generated, weights), classified(real, weights)
    statistics = feature_statistics(first["128"]), feature_statistics(second["128"])
    ours = {
        "frechet_inception_distance": statistics_distance(*statistics),
        "kernel_inception_distance_mean": None,
        "kernel_inception_distance_std": None,
        "inception_score_mean": None,
        "inception_score_std": None,
    }
    names = [name for name, value in ours.items() if value is None]
    kid = fidelity.kernel_distance(first["128"], second["128"], 5, 30, seed)
    score = fidelity.inception_score(first["logits"], 10, seed)
    ours |= dict(zip(names, kid + score, strict=True))
    ours |= dict(
        zip(
            ("precision", "recall"),
            fidelity.precision_recall(first["128"], second["128"], 3),
            strict=True,
        )
    )
    for name, value in ours.items():
        assert value == pytest.approx(expected[name], rel=2e-4), name


def test_grey_images_are_three_equal_channels_and_colours_stay() -> None:
    image = fidelity.RGBImages(grey(2))[1]
    assert image.shape == (3, 9, 8)
    assert (image == torch.from_numpy(grey(2)[1, :, :, 0])).all()
    colours = np.random.default_rng(0).integers(0, 256, (2, 9, 8, 3), dtype=np.uint8)
    assert (fidelity.RGBImages(colours)[0].permute(1, 2, 0).numpy() == colours[0]).all()


@pytest.mark.parametrize("count", [200, 20])  # fewer points than dimensions: a singular covariance
def test_the_frechet_distance_is_that_of_torch_fidelity(count: int) -> None:
    from torch_fidelity.metric_fid import fid_statistics_to_metric

    rng = np.random.default_rng(5)
    first, second = (
        gaussian_statistics(torch.from_numpy(rng.normal(shift, 1, (size, 48))))
        for shift, size in ((0, count), (0.3, 150))
    )
    theirs = [{"mu": mean.numpy(), "sigma": cov.numpy()} for mean, cov in (first, second)]
    (expected,) = fid_statistics_to_metric(*theirs, verbose=False).values()
    assert frechet_distance(first, second) == pytest.approx(float(expected), rel=1e-6)

"""The Inception path on real images, and its weights: given, missing, broken, offline."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ncsn.base import metric_names as keys
from ncsn.base.errors import UserError
from ncsn.config.params import EvaluateParams, ReferenceParams
from ncsn.data.split import Split, split_sha256
from ncsn.evaluate import inception
from ncsn.evaluate import torch_fidelity as fidelity
from ncsn.evaluate.evaluation import evaluate_images
from ncsn.evaluate.inception import inception_weights
from ncsn.evaluate.metrics import feature_statistics, statistics_distance
from ncsn.evaluate.reference import read_reference
from ncsn.evaluate.write_reference import write_reference

BARS = {"error_groups": 20, "floor_subsets": 0, "floor_images": None}
CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def cifar(real_data: Callable[[str], Path]) -> np.ndarray:
    """The 10,000 test images of CIFAR-10, uint8 (N,32,32,3)."""
    with np.load(real_data("cifar10.npz")) as archive:
        images: np.ndarray = archive["x_test"]
    return images


def noised(images: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 255 * sigma, images.shape)
    return np.clip(images + noise, 0, 255).round().astype(np.uint8)


def fid768(images: np.ndarray, real: torch.Tensor, inception: Path) -> float:
    features = fidelity.extract_features(images, fidelity.INCEPTION, ["768"], inception, CPU)[
        "768"
    ]
    return statistics_distance(feature_statistics(features), feature_statistics(real))


def test_the_stages_through_inception(inception: Path, cifar: np.ndarray, tmp_path: Path) -> None:
    """FID-768 rises with noise, and there is no Inception Score without the last layer."""
    train, test = (Split(cifar[a : a + 8], None) for a in (0, 5000))
    params = ReferenceParams(
        extractor="inception-v3-compat",
        feature_layer="768",
        weights_path=str(inception),
        split="test",
        classifier_steps=1,
        pixel_frechet=False,
    )
    sizes = EvaluateParams(kid_subset_size=8, kid_subsets=2, prc_neighborhood=3, **BARS)
    floor = write_reference(tmp_path / "reference", train, test, params, 0, CPU)
    summary = {"test": {"sha256": split_sha256(test)}}
    reference = read_reference(tmp_path / "reference", params, 0, summary)
    assert reference.features.shape == (8, 768)
    metrics = evaluate_images(noised(train.images, 0.2), reference, test.images, sizes, 0, CPU)
    assert metrics[keys.FID] > floor[keys.FLOOR_FID] > 0
    assert metrics[keys.EXTRACTOR] == "inception-v3-compat"
    assert metrics[keys.FEATURE_LAYER] == "768"
    assert keys.ISC_MEAN not in metrics and keys.CLASSIFIER_ACCURACY not in floor


@pytest.mark.slow
def test_halves_of_cifar_are_near_and_noise_is_far(inception: Path, cifar: np.ndarray) -> None:
    real = fidelity.extract_features(cifar[:250], fidelity.INCEPTION, ["768"], inception, CPU)[
        "768"
    ]
    other = cifar[5000:5250]
    values = [fid768(noised(other, sigma), real, inception) for sigma in (0, 0.05, 0.1, 0.2)]
    assert values == sorted(values)
    assert values[-1] > 2 * values[0]


def test_grey_images_are_repeated_to_three_channels(inception: Path, cifar: np.ndarray) -> None:
    grey = cifar[:1, :, :, :1]
    one, three = (
        fidelity.extract_features(images, fidelity.INCEPTION, ["64"], inception, CPU)["64"]
        for images in (grey, grey.repeat(3, axis=-1))
    )
    assert torch.equal(one, three)


def test_no_network_names_file_address_and_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(inception, "INCEPTION_URL", "http://127.0.0.1:9/a/weights.pth")
    with pytest.raises(UserError) as caught:
        inception_weights(None)
    folder = tmp_path / "checkpoints"
    assert str(caught.value).splitlines() == [
        f"weights.pth is neither in {folder} nor in {tmp_path}, and could not be downloaded:",
        "  http://127.0.0.1:9/a/weights.pth: Connection refused",
        f"Put weights.pth into {folder}, or set reference.weights_path to where it lies",
    ]


def test_a_download_that_was_cut_is_named_and_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As other programs leave it in torch's hub folder."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    path = tmp_path / "checkpoints" / Path(fidelity.INCEPTION_URL).name
    path.parent.mkdir()
    path.write_bytes(bytes(1000))
    with pytest.raises(UserError, match=rf"{path}: is not the .*SHA-256 .*Move it away"):
        inception_weights(None)
    assert path.stat().st_size == 1000


def test_weights_that_are_missing_or_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"reference\.weights_path: .* is missing"):
        inception_weights(str(tmp_path / "none.pth"))
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(UserError, match=r"text\.pth is not a state dict"):
        inception_weights(str(tmp_path / "text.pth"))
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other\.pth is not a state dict of inception-v3-compat"):
        inception_weights(str(tmp_path / "other.pth"))


def test_a_pickle_is_not_opened(tmp_path: Path) -> None:
    """torch-fidelity would unpickle whatever reference.weights_path holds."""
    torch.save(Path("anything"), tmp_path / "pickle.pth")
    with pytest.raises(UserError, match="is not a state dict"):
        inception_weights(str(tmp_path / "pickle.pth"))

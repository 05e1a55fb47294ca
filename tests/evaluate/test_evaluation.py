"""Generated images against the reference: laws from end to end, conditions, refusals."""

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from threadpoolctl import threadpool_limits

from ncsn.base import metric_names as keys
from ncsn.base.errors import UserError
from ncsn.base.files import write_json, write_npz
from ncsn.config.params import EvaluateParams, ReferenceParams
from ncsn.data.split import Split, split_sha256
from ncsn.evaluate import torch_fidelity as fidelity
from ncsn.evaluate import uncertainty
from ncsn.evaluate.evaluation import evaluate_images, read_samples
from ncsn.evaluate.reference import Reference, Summary, read_reference
from ncsn.evaluate.write_reference import write_reference

BARS = {"error_groups": 20, "floor_subsets": 0, "floor_images": None}
CPU = torch.device("cpu")
SIZES = EvaluateParams(kid_subset_size=50, kid_subsets=20, prc_neighborhood=3, **BARS)


@functools.cache
def digits() -> tuple[Split, Split]:
    """500 and 300 digits, uint8 (N,8,8,1)."""
    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    images = np.round(bunch.images[order] * (255 / 16)).astype(np.uint8)[..., None]
    labels = bunch.target[order]
    train, test = (Split(images[a:b], labels[a:b]) for a, b in [(0, 500), (500, 800)])
    return train, test


@pytest.fixture(scope="module")
def splits() -> tuple[Split, Split]:
    return digits()


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, splits: tuple[Split, Split]) -> Reference:
    """Of the second split, with a classifier of 60 steps."""
    folder = tmp_path_factory.mktemp("evaluation") / "reference"
    params = ReferenceParams(
        extractor="classifier",
        feature_layer="128",
        weights_path=None,
        split="test",
        classifier_steps=60,
        pixel_frechet=True,
    )
    write_reference(folder, *splits, params, 0, CPU)
    return read_reference(folder, params, 0, {"test": {"sha256": split_sha256(splits[1])}})


def evaluated(images: np.ndarray, reference: Reference) -> Summary:
    return evaluate_images(images, reference, digits()[1].images, SIZES, 1, CPU)


def numbers(summary: Summary) -> dict[str, float]:
    return {key: value for key, value in summary.items() if not isinstance(value, str)}


def noised(images: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 255 * sigma, images.shape)
    return np.clip(images + noise, 0, 255).round().astype(np.uint8)


def test_the_reference_itself_is_perfect(
    reference: Reference, splits: tuple[Split, Split]
) -> None:
    metrics = evaluated(splits[1].images, reference)
    assert metrics[keys.FID] == pytest.approx(0, abs=1e-4)
    assert metrics[keys.PIXEL_FRECHET] == pytest.approx(0, abs=1e-6)
    assert metrics[keys.PRECISION] == metrics[keys.RECALL] == 1


def test_distances_rise_with_noise(reference: Reference, splits: tuple[Split, Split]) -> None:
    results = [evaluated(noised(splits[0].images, sigma), reference) for sigma in (0, 0.1, 0.3, 1)]
    for key in (keys.FID, keys.PIXEL_FRECHET, keys.KID_MEAN):
        values = [result[key] for result in results]
        assert values == sorted(values), key


def test_every_number_has_its_conditions_and_json_takes_them(
    reference: Reference, splits: tuple[Split, Split], tmp_path: Path
) -> None:
    metrics = evaluated(splits[0].images, reference)
    assert metrics[keys.FID_NUM_SAMPLES] == 500 and metrics[keys.NUM_REFERENCE] == 300
    assert (metrics[keys.EXTRACTOR], metrics[keys.FEATURE_LAYER]) == ("classifier", "128")
    assert metrics[keys.WEIGHTS_SHA256] == reference.key["weights_sha256"]
    assert metrics[keys.CLASSIFIER_SEED] == "0"
    for measure in keys.MEASURES:
        error = keys.stderr_key(measure.key)
        assert (error in metrics) == (measure.key != keys.ISC_MEAN), measure.key
    assert metrics[keys.FID_INFINITY] < metrics[keys.FID]
    assert "jackknife over 20 groups" in metrics[keys.UNCERTAINTY_METHOD]
    assert 1 < metrics[keys.ISC_MEAN] <= 10
    write_json(tmp_path / "metrics.json", metrics)


def test_threads_change_no_bit_of_a_metric(
    reference: Reference, splits: tuple[Split, Split]
) -> None:
    real = splits[1].images
    images, before, found = splits[0].images[:403], torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            with threadpool_limits(limits=count, user_api="blas"):
                sizes = SIZES.model_copy(update={"kid_subset_size": 100})
                found.append(evaluate_images(images, reference, real, sizes, 1, CPU))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1] == found[2]


def test_fewer_than_20_images_have_no_bars(
    reference: Reference, splits: tuple[Split, Split]
) -> None:
    sizes = SIZES.model_copy(update={"kid_subset_size": 19})
    images, real = splits[0].images, splits[1].images
    few, enough, unwanted = (
        evaluate_images(images[:count], reference, real, wanted, 1, CPU)
        for count, wanted in [
            (19, sizes),
            (20, sizes),
            (20, sizes.model_copy(update={"error_groups": 0})),
        ]
    )
    assert keys.stderr_key(keys.FID) in enough and keys.FID_INFINITY in enough
    assert not [key for key in (*few, *unwanted) if "stderr" in key or "infinity" in key]
    assert {key: enough[key] for key in unwanted} == unwanted  # bars move no number


def test_bars_of_very_many_images_are_those_of_a_part_scaled(
    reference: Reference, splits: tuple[Split, Split], monkeypatch: pytest.MonkeyPatch
) -> None:
    """KID, precision and recall look at a part, and its variance falls as 1/N."""
    whole = evaluated(splits[0].images, reference)
    monkeypatch.setattr(uncertainty, "MOST", 250)
    part = evaluated(splits[0].images, reference)
    errors = [keys.stderr_key(key) for key in (keys.KID_MEAN, keys.PRECISION, keys.RECALL)]
    assert all(part[error] == pytest.approx(whole[error], rel=0.5) for error in errors)
    for key in set(whole) - {f"{e}{s}" for e in errors for s in ("", "_samples")}:
        assert part[key] == whole[key], key


def test_batch_size_and_order_do_not_matter(
    reference: Reference, splits: tuple[Split, Split], monkeypatch: pytest.MonkeyPatch
) -> None:
    """KID and the Inception Score draw subsets by place, so another order moves them."""
    images, first = splits[0].images, evaluated(splits[0].images, reference)
    with monkeypatch.context() as patch:  # as where memory runs out
        patch.setitem(fidelity._BATCH, "classifier", 7)
        batched = evaluated(images, reference)
    assert numbers(batched) == pytest.approx(numbers(first), rel=1e-4, abs=1e-5)
    turned = evaluated(images[::-1].copy(), reference)
    for key in (keys.FID, keys.PIXEL_FRECHET, keys.PRECISION, keys.RECALL):
        assert turned[key] == pytest.approx(first[key], rel=1e-4), key


@pytest.mark.parametrize(
    "images", [np.zeros((60, 28, 28, 1), np.uint8), np.zeros((60, 8, 8, 1), np.float32)]
)
def test_images_unlike_the_reference_are_refused(images: np.ndarray, reference: Reference) -> None:
    with pytest.raises(UserError, match="samples are .* those of the reference"):
        evaluated(images, reference)


def test_too_few_images_name_the_key(reference: Reference, splits: tuple[Split, Split]) -> None:
    with pytest.raises(UserError, match=r"evaluate\.kid_subset_size \(value 50\)"):
        evaluated(splits[0].images[:49], reference)
    with pytest.raises(UserError, match="at least 2"):
        evaluated(splits[0].images[:1], reference)


def test_samples_are_read_from_arr_0(tmp_path: Path) -> None:
    images = np.zeros((2, 8, 8, 1), np.uint8)
    write_npz(tmp_path / "samples.npz", arr_0=images)
    write_npz(tmp_path / "other.npz", images=images)
    assert read_samples(tmp_path / "samples.npz").shape == images.shape
    with pytest.raises(UserError, match="arr_0"):
        read_samples(tmp_path / "other.npz")

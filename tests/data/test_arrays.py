from pathlib import Path

import numpy as np
import pytest
import torch

from ncsn.base.errors import UserError
from ncsn.data.arrays import Split, load_split, to_chw, to_hwc, to_uint8
from ncsn.data.split import write_split

BYTES = torch.arange(256, dtype=torch.uint8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_undoes_both_ways_to_floats(dtype: torch.dtype) -> None:
    assert torch.equal(to_uint8(BYTES.to(dtype) / 255), BYTES)
    u = torch.linspace(0, 0.9999, 101, dtype=dtype)
    dequantised = (BYTES.to(dtype)[:, None] + u) / 256
    assert torch.equal(to_uint8(dequantised), BYTES[:, None].expand(-1, 101))


def test_values_outside_are_clamped_and_nan_is_an_error() -> None:
    assert to_uint8(torch.tensor([-3.0, -1e-9, 1.0, 7.0])).tolist() == [0, 0, 255, 255]
    assert to_uint8(torch.tensor([1.0], dtype=torch.bfloat16)).tolist() == [255]
    with pytest.raises(ValueError, match="2 of 3 are not"):
        to_uint8(torch.tensor([0.5, float("nan"), float("inf")]))


def test_axes_go_there_and_back() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), np.uint8)
    chw = to_chw(images)
    assert chw.shape == (2, 3, 4, 5) and chw.dtype == torch.uint8 and chw.is_contiguous()
    assert chw[1, 2, 3, 4] == images[1, 3, 4, 2]
    np.testing.assert_array_equal(to_hwc(chw), images)


@pytest.mark.parametrize("labels", [np.arange(2), None])
def test_splits_go_to_disk_and_back(tmp_path: Path, labels: np.ndarray | None) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), np.uint8)
    write_split(tmp_path / "a" / "train.npz", Split(images, labels))
    loaded = load_split(tmp_path / "a" / "train.npz")
    np.testing.assert_array_equal(loaded.images, images)
    assert (loaded.labels is None) == (labels is None)


@pytest.mark.parametrize(
    "arrays",
    [
        {"arr_0": np.zeros((2, 4, 4, 1), np.uint8)},
        {"images": np.zeros((2, 4, 4, 1))},
        {"images": np.zeros((2, 4, 4), np.uint8)},
        {"images": np.zeros((2, 4, 4, 1), np.uint8), "labels": np.zeros(3, int)},
    ],
)
def test_other_arrays_are_no_split(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(UserError, match="a.npz: '(images|labels)' must"):
        load_split(tmp_path / "a.npz")
    with pytest.raises(UserError, match="is missing"):
        load_split(tmp_path / "absent.npz")

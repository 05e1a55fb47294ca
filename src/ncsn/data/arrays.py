"""Between image files (uint8, N,H,W,C) and tensors (N,C,H,W; float images lie in [0, 1]).

The one place where float images become uint8 again. Splits are read by `split`.
"""

import numpy as np
import torch
from torch import Tensor

from ncsn.data.split import Split, load_split

__all__ = ["Split", "as_floats", "load_split", "to_chw", "to_hwc", "to_uint8"]


def to_chw(images: np.ndarray) -> Tensor:
    """Returns images of shape (N, H, W, C) as a contiguous tensor (N, C, H, W) of their dtype."""
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def to_hwc(images: Tensor) -> np.ndarray:
    """Returns images of shape (N, C, H, W) as a contiguous array (N, H, W, C) of their dtype."""
    return images.detach().permute(0, 2, 3, 1).contiguous().cpu().numpy()


def as_floats(images: Tensor, dequantise: torch.Generator | None) -> Tensor:
    """Bytes k as floats: (k + u) / 256 with u drawn from `dequantise`, or k / 255 without."""
    x = images.float()
    if dequantise is None:
        return x / 255
    return (x + torch.rand(x.shape, generator=dequantise, device=x.device)) / 256


def to_uint8(x: Tensor) -> Tensor:
    """Pixel values in [0, 1] as bytes: floor(256 x), values outside clamped to 0 and 255.

    Training sees byte k as (k + u) / 256 with u in [0, 1), or as k / 255 without dequantisation.
    floor(256 x) gives k back for both; rounding 255 x would move half of the dequantised values
    of a byte to its neighbour.

    Args:
        x: float images of any shape.

    Returns:
        uint8 of the same shape, on the same device.

    Raises:
        ValueError: x holds a NaN or an infinity.
    """
    bad = int((~torch.isfinite(x)).sum())
    if bad:
        raise ValueError(f"pixel values must be finite, {bad} of {x.numel()} are not")
    # float32 first: bfloat16 holds 8 bits, too few to tell 255/256 from 1
    return (x.float() * 256).floor().clamp(0, 255).to(torch.uint8)

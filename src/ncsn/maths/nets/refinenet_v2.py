"""The score network of NCSNv2 (Song & Ermon 2020, arXiv 2006.09011): s(x) / sigma.

One network without any conditioning serves all levels (Technique 3). Against NCSN's it has
unconditional InstanceNorm++ in residual blocks and before the last convolution, none in refine
blocks, and max pooling there. The body is in `refinenet`.
"""

from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from ncsn.maths.nets.norm import ConditionalInstanceNormPlus, NoNorm
from ncsn.maths.nets.refinenet import CascadeShape, RefineNet, four_cascades


class ScaledRefineNet(RefineNet):
    """s_theta(x, sigma) = s_theta(x) / sigma of NCSNv2 (2006.09011, Technique 3 and Appendix).

    29,694,083 parameters for colour images, 128 base channels and 4 cascades; 83,445,379 with 5
    and 94,132,611 with 6. The ladder is no part of the state dict: weights trained on one ladder
    load beside any other.
    """

    sigmas: Tensor

    def __init__(
        self, image_channels: int, base_channels: int, sigmas: Tensor, num_cascades: int = 4
    ):
        super().__init__(
            image_channels,
            _cascade_shapes(base_channels, num_cascades),
            norm=partial(ConditionalInstanceNormPlus, num_levels=1),
            refine_norm=_no_norm,
            pool=partial(F.max_pool2d, kernel_size=5, stride=1, padding=2),
        )
        self.register_buffer("sigmas", sigmas.float(), persistent=False)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Scores of noised images.

        Args:
            x: images around [0, 1], shape (B, C, H, W); H and W at least 8.
            level: index into the ladder of each image's noise level, int64, shape (B,); or the
                sigma of each image itself, floating.

        Returns:
            Scores in units of 1 / pixel value, shape (B, C, H, W).
        """
        sigma = level if level.is_floating_point() else self.sigmas[level]
        return super().forward(x, level) / sigma.view(-1, 1, 1, 1)


def cascades_for(height: int, width: int) -> int:
    """Returns the number of cascades for images of a size.

    The released settings have 4 for 32 and 64 pixels, 5 for 96 and 128, and 6 for 256; a size
    between two of these takes the number of the larger.
    """
    size = max(height, width)
    return 4 if size <= 64 else 5 if size <= 128 else 6


def _cascade_shapes(base_channels: int, num_cascades: int) -> list[CascadeShape]:
    """The released networks for large images: halved up to three times, then widened."""
    if num_cascades not in (4, 5, 6):
        raise ValueError(f"num_cascades must be 4, 5 or 6, got {num_cascades}")
    if num_cascades == 4:
        return four_cascades(base_channels)
    halving = CascadeShape(2 * base_channels, downsample=True)
    return [
        CascadeShape(base_channels),
        *[halving] * (num_cascades - 3),
        CascadeShape(4 * base_channels, dilation=2),
        CascadeShape(4 * base_channels, dilation=4),
    ]


def _no_norm(channels: int) -> nn.Module:
    return NoNorm()

"""The noise-conditional score network of NCSN: RefineNet (Song & Ermon 2019, Appendix A).

Blocks are in `layers`. The network answers a level's index, not its sigma: every level owns a row
of each normalisation's tables.
"""

from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from ncsn.nets.layers import ConditionalInstanceNormPlus, Norm, RefineBlock, ResidualBlock


class Cascade(nn.Module):
    """Two residual blocks of one resolution."""

    def __init__(self, first: ResidualBlock, second: ResidualBlock):
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Maps (B, in, H, W) to (B, out, H', W')."""
        h: Tensor = self.second(self.first(x, level), level)
        return h


class ConditionalRefineNet(nn.Module):
    """s_theta(x, sigma) of NCSN (Song & Ermon 2019, Appendix A).

    30,117,635 parameters for 32x32x3 images, 128 base channels and 10 levels; 7,638,657 for
    28x28x1 and 64. Pixels arrive in [0, 1] and are mapped to [-1, 1] at the door; scores are in
    units of 1 / pixel value.
    """

    def __init__(self, image_channels: int, base_channels: int, num_levels: int):
        super().__init__()
        base, wide = base_channels, 2 * base_channels
        norm = partial(ConditionalInstanceNormPlus, num_levels=num_levels)
        pool = partial(F.avg_pool2d, kernel_size=5, stride=1, padding=2)
        self.head = nn.Conv2d(image_channels, base, 3, padding=1)
        self.cascades = nn.ModuleList(
            [
                Cascade(ResidualBlock(base, base, norm), ResidualBlock(base, base, norm)),
                Cascade(
                    ResidualBlock(base, wide, norm, downsample=True),
                    ResidualBlock(wide, wide, norm),
                ),
                _dilated_pair(wide, norm, dilation=2),
                _dilated_pair(wide, norm, dilation=4),
            ]
        )
        self.refine = nn.ModuleList(
            [
                RefineBlock([wide], wide, norm, pool),
                RefineBlock([wide, wide], wide, norm, pool),
                RefineBlock([wide, wide], base, norm, pool),
                RefineBlock([base, base], base, norm, pool, num_output_units=3),
            ]
        )
        self.norm = norm(base)
        self.tail = nn.Conv2d(base, image_channels, 3, padding=1)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Scores of noised images.

        Args:
            x: images around [0, 1], shape (B, C, H, W); H and W at least 8.
            level: index of each image's noise level, int64, shape (B,).

        Returns:
            Scores, shape (B, C, H, W).
        """
        h = self.head(2 * x - 1)
        features = []
        for cascade in self.cascades:
            h = cascade(h, level)
            features.append(h)
        h = self.refine[0]([features[-1]], level, features[-1].shape[-2:])
        for block, feature in zip(self.refine[1:], reversed(features[:-1]), strict=True):
            h = block([feature, h], level, feature.shape[-2:])
        return self.tail(F.elu(self.norm(h, level)))


def _dilated_pair(channels: int, norm: Norm, dilation: int) -> Cascade:
    return Cascade(
        ResidualBlock(channels, channels, norm, dilation=dilation, conv_shortcut=True),
        ResidualBlock(channels, channels, norm, dilation=dilation),
    )

"""The noise-conditional score network of NCSN: RefineNet (Song & Ermon 2019, Appendix A).

Blocks are in `layers`. `RefineNet` is the body that NCSN shares with NCSNv2 (see `refinenet_v2`).
NCSN's network answers a level's index, not its sigma: every level owns a row of each
normalisation's tables.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ncsn.maths.nets.layers import Norm, RefineBlock, ResidualBlock
from ncsn.maths.nets.norm import ConditionalInstanceNormPlus


class CascadeShape(NamedTuple):
    """Channels and resolution of a cascade: `downsample` halves it, dilated ones keep it."""

    channels: int
    downsample: bool = False
    dilation: int = 1


class Cascade(nn.Module):
    """Two residual blocks of one resolution."""

    def __init__(self, in_channels: int, shape: CascadeShape, norm: Norm):
        super().__init__()
        channels, downsample, dilation = shape
        self.first = ResidualBlock(
            in_channels,
            channels,
            norm,
            downsample=downsample,
            dilation=dilation,
            conv_shortcut=dilation > 1,
        )
        self.second = ResidualBlock(channels, channels, norm, dilation=dilation)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Maps (B, in, H, W) to (B, out, H', W')."""
        h: Tensor = self.second(self.first(x, level), level)
        return h


class RefineNet(nn.Module):
    """Cascades of residual blocks down, and a refine block for each of them on the way up.

    Pixels arrive in [0, 1] and are mapped to [-1, 1] at the door.
    """

    def __init__(
        self,
        image_channels: int,
        shapes: Sequence[CascadeShape],
        norm: Norm,
        refine_norm: Norm,
        pool: Callable[[Tensor], Tensor],
    ):
        super().__init__()
        widths = [shape.channels for shape in shapes]
        sources = [widths[0], *widths[:-1]]
        self.head = nn.Conv2d(image_channels, widths[0], 3, padding=1)
        self.cascades = nn.ModuleList(
            Cascade(source, shape, norm) for source, shape in zip(sources, shapes, strict=True)
        )
        self.refine = nn.ModuleList(
            # the deepest block has one input; each brings its output to the next one's width
            RefineBlock(
                [widths[index]] if index == len(widths) - 1 else [widths[index]] * 2,
                sources[index],
                refine_norm,
                pool,
                num_output_units=1 if index else 3,
            )
            for index in reversed(range(len(widths)))
        )
        self.norm = norm(widths[0])
        self.tail = nn.Conv2d(widths[0], image_channels, 3, padding=1)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Maps images (B, C, H, W), H and W at least 8, to the same shape; level is (B,)."""
        # channels last: what convolutions and norms are fastest in, on CPUs and GPUs
        h = self.head(2 * x - 1).contiguous(memory_format=torch.channels_last)
        features = []
        for cascade in self.cascades:
            h = cascade(h, level)
            features.append(h)
        h = self.refine[0]([features[-1]], level, features[-1].shape[-2:])
        for block, feature in zip(self.refine[1:], reversed(features[:-1]), strict=True):
            h = block([feature, h], level, feature.shape[-2:])
        output: Tensor = self.tail(self.norm(h, level, elu=True))
        return output


def four_cascades(base_channels: int) -> list[CascadeShape]:
    """Returns NCSN's cascades; only the second changes the resolution."""
    wide = 2 * base_channels
    return [
        CascadeShape(base_channels),
        CascadeShape(wide, downsample=True),
        CascadeShape(wide, dilation=2),
        CascadeShape(wide, dilation=4),
    ]


class ConditionalRefineNet(RefineNet):
    """s_theta(x, sigma) of NCSN (Song & Ermon 2019, Appendix A).

    30,117,635 parameters for 32x32x3 images, 128 base channels and 10 levels; 7,638,657 for
    28x28x1 and 64. Pixels are in [0, 1]; scores are in units of 1 / pixel value.
    """

    def __init__(self, image_channels: int, base_channels: int, num_levels: int):
        norm = partial(ConditionalInstanceNormPlus, num_levels=num_levels)
        pool = partial(F.avg_pool2d, kernel_size=5, stride=1, padding=2)
        super().__init__(image_channels, four_cascades(base_channels), norm, norm, pool)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Scores of noised images.

        Args:
            x: images around [0, 1], shape (B, C, H, W); H and W at least 8.
            level: index of each image's noise level, int64, shape (B,).

        Returns:
            Scores, shape (B, C, H, W).
        """
        return super().forward(x, level)

"""Building blocks of the RefineNet score networks (Song & Ermon 2019, Appendix A).

Every block takes (x, level) and hands the level down to its normalisations, which come from a
factory `norm(channels)`. Blocks are pre-activation: normalisation, ELU, convolution.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]


class SamePaddedConv(nn.Conv2d):
    """A convolution that keeps height and width; its dilated outer taps may all miss the image."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: int = 3,
        dilation: int = 1,
        bias: bool = True,
    ):
        padding = dilation * (size // 2)
        super().__init__(
            in_channels, out_channels, size, padding=padding, dilation=dilation, bias=bias
        )

    def forward(self, input: Tensor) -> Tensor:
        """Maps (B, in, H, W) to (B, out, H, W)."""
        if self.kernel_size[0] == 3 and self.dilation[0] >= max(input.shape[2:]):
            return F.conv2d(input, self.weight[:, :, 1:2, 1:2], self.bias)  # the others see zeros
        return super().forward(input)


class ConvMeanPool(nn.Module):
    """A convolution and a 2x2 mean pool; halves height and width (odd sizes round down).

    Both are linear: a convolution of stride 2 with the mean of four shifted kernels does it, with
    half the arithmetic, and a 1x1 kernel may wait for the pooled image.
    """

    def __init__(self, in_channels: int, out_channels: int, size: int):
        super().__init__()
        self.conv = SamePaddedConv(in_channels, out_channels, size)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, in, H, W) to (B, out, H // 2, W // 2)."""
        weight, bias, padding = self.conv.weight, self.conv.bias, self.conv.padding
        if self.conv.kernel_size[0] == 1:
            return F.conv2d(F.avg_pool2d(x, 2), weight, bias)
        weight = F.avg_pool2d(F.pad(weight, (1, 1, 1, 1)), 2, stride=1)
        return F.conv2d(x, weight, bias, stride=2, padding=padding)


class ResidualBlock(nn.Module):
    """norm-ELU-conv-norm-ELU-conv plus a shortcut; `downsample` halves the resolution.

    The shortcut is the identity, or a convolution where channels change or `conv_shortcut` asks
    for it (the released code has one at the head of each dilated cascade). Where channels change,
    the second convolution changes them if `downsample` or `conv_shortcut` is set, else the first.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        norm: Norm,
        *,
        downsample: bool = False,
        dilation: int = 1,
        conv_shortcut: bool = False,
    ):
        super().__init__()
        hidden = in_channels if downsample or conv_shortcut else out_channels
        self.norm1, self.norm2 = norm(in_channels), norm(hidden)
        self.conv1 = SamePaddedConv(in_channels, hidden, dilation=dilation)
        self.conv2: nn.Module
        self.shortcut: nn.Module
        if downsample:
            self.conv2 = ConvMeanPool(in_channels, out_channels, 3)
            self.shortcut = ConvMeanPool(in_channels, out_channels, 1)
        else:
            self.conv2 = SamePaddedConv(hidden, out_channels, dilation=dilation)
            self.shortcut = nn.Identity()
            if conv_shortcut or in_channels != out_channels:
                self.shortcut = SamePaddedConv(in_channels, out_channels, dilation=dilation)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Maps (B, in, H, W) to (B, out, H', W')."""
        h = self.conv1(self.norm1(x, level, elu=True))
        h = self.conv2(self.norm2(h, level, elu=True))
        return self.shortcut(x) + h


class ResidualConvUnits(nn.Module):
    """RefineNet's RCU: `num_blocks` residual chains of two norm-ELU-conv (no bias) each."""

    def __init__(self, channels: int, num_blocks: int, norm: Norm):
        super().__init__()
        self.norms = nn.ModuleList(norm(channels) for _ in range(2 * num_blocks))
        self.convs = nn.ModuleList(
            SamePaddedConv(channels, channels, bias=False) for _ in range(2 * num_blocks)
        )

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Maps (B, C, H, W) to the same shape."""
        for index in range(0, len(self.convs), 2):
            h = x
            for norm, conv in zip(
                self.norms[index : index + 2], self.convs[index : index + 2], strict=True
            ):
                h = conv(norm(h, level, elu=True))
            x = x + h
        return x


class ChainedPooling(nn.Module):
    """RefineNet's CRP: an ELU, then a chain of norm-pool-conv whose stages are summed up.

    `pool` is a 5x5 pooling of stride 1: the mean in NCSN, the maximum in NCSNv2 and the original
    RefineNet.
    """

    num_stages = 2

    def __init__(self, channels: int, norm: Norm, pool: Callable[[Tensor], Tensor]):
        super().__init__()
        self.norms = nn.ModuleList(norm(channels) for _ in range(self.num_stages))
        self.convs = nn.ModuleList(
            SamePaddedConv(channels, channels, bias=False) for _ in range(self.num_stages)
        )
        self.pool = pool

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Maps (B, C, H, W) to the same shape."""
        x = path = F.elu(x)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            path = conv(self.pool(norm(path, level)))
            x = x + path
        return x


class MultiScaleFusion(nn.Module):
    """RefineNet's MSF: two inputs through norm and conv, resized bilinearly, summed."""

    def __init__(self, in_channels: Sequence[int], out_channels: int, norm: Norm):
        super().__init__()
        self.norms = nn.ModuleList(norm(channels) for channels in in_channels)
        self.convs = nn.ModuleList(
            SamePaddedConv(channels, out_channels) for channels in in_channels
        )

    def forward(self, inputs: Sequence[Tensor], level: Tensor, size: Sequence[int]) -> Tensor:
        """Maps inputs (B, C_i, H_i, W_i) to (B, out, *size)."""
        first, second = (
            _resized(conv(norm(x, level)), size)
            for x, norm, conv in zip(inputs, self.norms, self.convs, strict=True)
        )
        return first + second


class RefineBlock(nn.Module):
    """A refine block: two RCUs an input, fusion of two inputs, CRP, and RCUs at the end."""

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int,
        norm: Norm,
        pool: Callable[[Tensor], Tensor],
        *,
        num_output_units: int = 1,
    ):
        super().__init__()
        self.adapt = nn.ModuleList(ResidualConvUnits(c, 2, norm) for c in in_channels)
        self.fusion = (
            MultiScaleFusion(in_channels, out_channels, norm) if len(in_channels) > 1 else None
        )
        self.pooling = ChainedPooling(out_channels, norm, pool)
        self.output = ResidualConvUnits(out_channels, num_output_units, norm)

    def forward(self, inputs: Sequence[Tensor], level: Tensor, size: Sequence[int]) -> Tensor:
        """Maps inputs (B, C_i, H_i, W_i) to (B, out, *size)."""
        adapted = [unit(x, level) for x, unit in zip(inputs, self.adapt, strict=True)]
        h = adapted[0] if self.fusion is None else self.fusion(adapted, level, size)
        return self.output(self.pooling(h, level), level)


def _resized(x: Tensor, size: Sequence[int]) -> Tensor:
    if x.shape[-2:] == torch.Size(size):
        return x
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=True)

"""Building blocks of the RefineNet score networks (Song & Ermon 2019, Appendix A).

Every block takes (x, level) and hands the level down to its normalisations, which come from a
factory `norm(channels)`. Blocks are pre-activation: normalisation, ELU, convolution.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]


class ConditionalInstanceNormPlus(nn.Module):
    """Conditional InstanceNorm++ (Song & Ermon 2019, Appendix A.1), as released.

    It is gamma * (xhat + alpha * (mu - m) / sqrt(v + 1e-5)) + beta, where xhat is the
    instance-normalised input, mu a channel's mean, and m and v the mean and unbiased variance of
    mu over channels. The paper's text leaves gamma off the alpha term. With one level it is the
    unconditional InstanceNorm++ of NCSNv2.
    """

    tiny = 1e-5

    def __init__(self, channels: int, num_levels: int):
        super().__init__()
        scales = 1 + 0.02 * torch.randn(num_levels, 2 * channels)
        self.table = nn.Parameter(torch.cat([scales, torch.zeros(num_levels, channels)], dim=1))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Normalises x (B, C, H, W) with the row of each sample's level (B,); same shape."""
        conditional = len(self.table) > 1
        rows = F.embedding(level, self.table) if conditional else self.table.expand(len(x), -1)
        gamma, alpha, beta = rows.chunk(3, dim=1)
        mean = x.mean((2, 3))
        v, m = torch.var_mean(mean, dim=1, keepdim=True)
        shift = gamma * alpha * (mean - m) * torch.rsqrt(v + self.tiny) + beta
        return _instance_norm(x, mean, gamma, shift, self.tiny)


def _instance_norm(x: Tensor, mean: Tensor, scale: Tensor, shift: Tensor, tiny: float) -> Tensor:
    """scale * (x - mean) / std + shift over (H, W); mean, scale and shift have shape (B, C).

    Two routes to one number, each the faster one on a CPU: batch normalisation over B * C channels
    has a fused backward, and without gradients plain tensor operations win (torch.var does not).
    """
    if torch.is_grad_enabled():
        flat = x.reshape(1, -1, *x.shape[2:])
        y = F.batch_norm(flat, None, None, scale.reshape(-1), shift.reshape(-1), True, 0.0, tiny)
        return y.view_as(x)
    centred = x - mean[:, :, None, None]
    var = torch.linalg.vector_norm(centred, dim=(2, 3)).square() / x[0, 0].numel()
    factor = scale * torch.rsqrt(var + tiny)
    return torch.addcmul(shift[:, :, None, None], centred, factor[:, :, None, None])


class NoNorm(nn.Module):
    """The identity, for blocks without normalisation (NCSNv2's refine blocks)."""

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Returns x."""
        return x


def _conv(
    in_channels: int, out_channels: int, size: int = 3, dilation: int = 1, bias: bool = True
) -> nn.Conv2d:
    padding = dilation * (size // 2)
    return nn.Conv2d(
        in_channels, out_channels, size, padding=padding, dilation=dilation, bias=bias
    )


class ConvMeanPool(nn.Module):
    """A convolution and a 2x2 mean pool; halves height and width (odd sizes round down)."""

    def __init__(self, in_channels: int, out_channels: int, size: int):
        super().__init__()
        self.conv = _conv(in_channels, out_channels, size)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (B, in, H, W) to (B, out, H // 2, W // 2)."""
        return F.avg_pool2d(self.conv(x), 2)


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
        self.conv1 = _conv(in_channels, hidden, dilation=dilation)
        self.conv2: nn.Module
        self.shortcut: nn.Module
        if downsample:
            self.conv2 = ConvMeanPool(in_channels, out_channels, 3)
            self.shortcut = ConvMeanPool(in_channels, out_channels, 1)
        else:
            self.conv2 = _conv(hidden, out_channels, dilation=dilation)
            self.shortcut = nn.Identity()
            if conv_shortcut or in_channels != out_channels:
                self.shortcut = _conv(in_channels, out_channels, dilation=dilation)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Maps (B, in, H, W) to (B, out, H', W')."""
        h = self.conv1(F.elu(self.norm1(x, level)))
        h = self.conv2(F.elu(self.norm2(h, level)))
        return self.shortcut(x) + h


class ResidualConvUnits(nn.Module):
    """RefineNet's RCU: `num_blocks` residual chains of two norm-ELU-conv (no bias) each."""

    def __init__(self, channels: int, num_blocks: int, norm: Norm):
        super().__init__()
        self.norms = nn.ModuleList(norm(channels) for _ in range(2 * num_blocks))
        self.convs = nn.ModuleList(
            _conv(channels, channels, bias=False) for _ in range(2 * num_blocks)
        )

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Maps (B, C, H, W) to the same shape."""
        for index in range(0, len(self.convs), 2):
            h = x
            for norm, conv in zip(
                self.norms[index : index + 2], self.convs[index : index + 2], strict=True
            ):
                h = conv(F.elu(norm(h, level)))
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
            _conv(channels, channels, bias=False) for _ in range(self.num_stages)
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
        self.convs = nn.ModuleList(_conv(channels, out_channels) for channels in in_channels)

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

"""The plain way to train and to sample NCSN: what the benchmark compares with, and nothing else.

The paper's network, loss and chain (Song & Ermon 2019) as one writes them down first, and run as
the released code runs them: fp32, NCHW, eager, images through a DataLoader from the host, plain
Adam, every state of the chain kept. One thing is not the released code's: nothing waits for a GPU
within the loops (the loss is not read each step, states go to the CPU at the end), so that the
benchmark compares work and not waiting. Parameters have the names of `ncsn.maths.nets`, so both
ways load one state dict and give the same scores.

A GPU runs it in two arithmetics, named in every result (`arithmetic`): `TF32 convolutions`, which
is what torch does when nobody says anything, and `strict fp32`.
"""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

TF32, FP32 = "TF32 convolutions", "strict fp32"


@contextlib.contextmanager
def arithmetic(name: str) -> Iterator[None]:
    """Lets a GPU multiply as torch does by default (`TF32`) or in fp32 alone (`FP32`).

    Matrix products are fp32 in both, as torch's default has them, and cuDNN chooses algorithms
    without trying them out. What was set before is set again when the block ends.
    """
    cudnn = torch.backends.cudnn
    before = torch.get_float32_matmul_precision(), cudnn.benchmark, cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    cudnn.benchmark, cudnn.allow_tf32 = False, name == TF32
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        cudnn.benchmark, cudnn.allow_tf32 = before[1:]


class PlainNorm(nn.Module):
    """Conditional InstanceNorm++: instance norm, then means, scale and shift one after another."""

    def __init__(self, channels: int, num_levels: int):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(num_levels, 3 * channels))
        self.instance_norm = nn.InstanceNorm2d(channels)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        means = torch.mean(x, dim=(2, 3))
        m = torch.mean(means, dim=-1, keepdim=True)
        v = torch.var(means, dim=-1, keepdim=True)
        means = (means - m) / torch.sqrt(v + 1e-5)
        h = self.instance_norm(x)
        gamma, alpha, beta = F.embedding(level, self.table).chunk(3, dim=-1)
        h = h + means[..., None, None] * alpha[..., None, None]
        return gamma[..., None, None] * h + beta[..., None, None]


def _conv(source: int, target: int, size: int = 3, dilation: int = 1, bias: bool = True):
    padding = dilation * (size // 2)
    return nn.Conv2d(source, target, size, padding=padding, dilation=dilation, bias=bias)


class PlainMeanPool(nn.Module):
    """A convolution; then the mean of the four pixels of each square."""

    def __init__(self, source: int, target: int, size: int):
        super().__init__()
        self.conv = _conv(source, target, size)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv(x)
        h = h[:, :, : h.shape[2] // 2 * 2, : h.shape[3] // 2 * 2]
        corners = [h[:, :, i::2, j::2] for i in (0, 1) for j in (0, 1)]
        return sum(corners) / 4.0


class PlainResidual(nn.Module):
    """norm-ELU-conv-norm-ELU-conv and a shortcut."""

    def __init__(self, source: int, target: int, levels: int, dilation: int, downsample: bool):
        super().__init__()
        self.norm1, self.norm2 = PlainNorm(source, levels), PlainNorm(source, levels)
        self.conv1 = _conv(source, source, dilation=dilation)
        self.shortcut: nn.Module = nn.Identity()
        if downsample:
            self.conv2: nn.Module = PlainMeanPool(source, target, 3)
            self.shortcut = PlainMeanPool(source, target, 1)
        else:
            self.conv2 = _conv(source, target, dilation=dilation)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        h = self.norm1(x, level)
        h = F.elu(h)
        h = self.conv1(h)
        h = self.norm2(h, level)
        h = F.elu(h)
        h = self.conv2(h)
        return self.shortcut(x) + h


class PlainCascade(nn.Module):
    """Two residual blocks."""

    def __init__(self, source: int, target: int, levels: int, dilation: int, downsample: bool):
        super().__init__()
        self.first = PlainResidual(source, target, levels, dilation, downsample)
        if dilation > 1:  # the dilated cascades start with a convolution as shortcut
            self.first.shortcut = _conv(source, target, dilation=dilation)
        self.second = PlainResidual(target, target, levels, dilation, False)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return self.second(self.first(x, level), level)


class PlainRCU(nn.Module):
    """Residual chains of two norm-ELU-conv."""

    def __init__(self, channels: int, num_blocks: int, levels: int):
        super().__init__()
        count = 2 * num_blocks
        self.norms = nn.ModuleList(PlainNorm(channels, levels) for _ in range(count))
        self.convs = nn.ModuleList(_conv(channels, channels, bias=False) for _ in range(count))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        for first in range(0, len(self.convs), 2):
            residual = x
            for i in (first, first + 1):
                x = self.norms[i](x, level)
                x = F.elu(x)
                x = self.convs[i](x)
            x = x + residual
        return x


class PlainCRP(nn.Module):
    """ELU, then two stages of norm, 5x5 mean pool and convolution, summed up."""

    def __init__(self, channels: int, levels: int):
        super().__init__()
        self.norms = nn.ModuleList(PlainNorm(channels, levels) for _ in range(2))
        self.convs = nn.ModuleList(_conv(channels, channels, bias=False) for _ in range(2))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        x = F.elu(x)
        path = x
        for norm, conv in zip(self.norms, self.convs, strict=True):
            path = norm(path, level)
            path = F.avg_pool2d(path, 5, stride=1, padding=2)
            path = conv(path)
            x = path + x
        return x


class PlainMSF(nn.Module):
    """The inputs through norm and convolution, resized, summed."""

    def __init__(self, sources: Sequence[int], target: int, levels: int):
        super().__init__()
        self.norms = nn.ModuleList(PlainNorm(source, levels) for source in sources)
        self.convs = nn.ModuleList(_conv(source, target) for source in sources)

    def forward(self, inputs: Sequence[Tensor], level: Tensor, size: Sequence[int]) -> Tensor:
        total = torch.zeros(1, device=inputs[0].device)
        for x, norm, conv in zip(inputs, self.norms, self.convs, strict=True):
            h = conv(norm(x, level))
            total = total + F.interpolate(h, tuple(size), mode="bilinear", align_corners=True)
        return total


class PlainRefine(nn.Module):
    """RCUs an input, fusion, pooling chain, RCUs."""

    def __init__(self, sources: Sequence[int], target: int, levels: int, num_output_units: int):
        super().__init__()
        self.adapt = nn.ModuleList(PlainRCU(source, 2, levels) for source in sources)
        self.fusion = PlainMSF(sources, target, levels) if len(sources) > 1 else None
        self.pooling = PlainCRP(target, levels)
        self.output = PlainRCU(target, num_output_units, levels)

    def forward(self, inputs: Sequence[Tensor], level: Tensor, size: Sequence[int]) -> Tensor:
        adapted = [unit(x, level) for x, unit in zip(inputs, self.adapt, strict=True)]
        h = adapted[0] if self.fusion is None else self.fusion(adapted, level, size)
        return self.output(self.pooling(h, level), level)


class PlainRefineNet(nn.Module):
    """s_theta(x, sigma) of NCSN (Song & Ermon 2019, Appendix A) for images (B, C, H, W)."""

    def __init__(self, image_channels: int, base_channels: int, num_levels: int):
        super().__init__()
        base, wide, levels = base_channels, 2 * base_channels, num_levels
        self.head = nn.Conv2d(image_channels, base, 3, padding=1)
        self.cascades = nn.ModuleList(
            [
                PlainCascade(base, base, levels, 1, False),
                PlainCascade(base, wide, levels, 1, True),
                PlainCascade(wide, wide, levels, 2, False),
                PlainCascade(wide, wide, levels, 4, False),
            ]
        )
        self.refine = nn.ModuleList(
            [
                PlainRefine([wide], wide, levels, 1),
                PlainRefine([wide, wide], wide, levels, 1),
                PlainRefine([wide, wide], base, levels, 1),
                PlainRefine([base, base], base, levels, 3),
            ]
        )
        self.norm = PlainNorm(base, levels)
        self.tail = nn.Conv2d(base, image_channels, 3, padding=1)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        """Scores of images x (B, C, H, W) in [0, 1] at level (B,), same shape."""
        x = 2 * x - 1.0
        features = [self.head(x)]
        for cascade in self.cascades:
            features.append(cascade(features[-1], level))
        one, two, three, four = features[1:]
        h = self.refine[0]([four], level, four.shape[2:])
        h = self.refine[1]([three, h], level, three.shape[2:])
        h = self.refine[2]([two, h], level, two.shape[2:])
        h = self.refine[3]([one, h], level, one.shape[2:])
        h = self.norm(h, level)
        h = F.elu(h)
        return self.tail(h)


class HostImages(Dataset[Tensor]):
    """uint8 images (N, H, W, C) on the host, one at a time as floats (C, H, W) in [0, 1]."""

    def __init__(self, images: np.ndarray, random_flip: bool):
        self.images, self.random_flip = images, random_flip

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        x = torch.from_numpy(self.images[index]).permute(2, 0, 1).contiguous().float().div(255)
        if self.random_flip and torch.rand(1) < 0.5:
            x = x.flip(-1)
        return x


def plain_training(
    net: nn.Module,
    images: np.ndarray,
    sigmas: Tensor,
    *,
    batch_size: int,
    num_workers: int = 0,
    random_flip: bool = False,
    learning_rate: float = 1e-3,
) -> Iterator[Tensor]:
    """Trains `net` without end on images (N, H, W, C); yields the loss after each step.

    The loss stays on the device: to read it waits for the step.
    """
    device = sigmas.device
    data = HostImages(images, random_flip)
    loader = DataLoader(
        data,
        batch_size,
        shuffle=True,
        num_workers=num_workers,
        drop_last=True,
        pin_memory=device.type == "cuda",
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=learning_rate, foreach=False, fused=False)
    sigmas = sigmas.float()
    while True:
        for batch in loader:
            x = batch.to(device, non_blocking=True)
            x = x / 256.0 * 255.0 + torch.rand_like(x) / 256.0
            level = torch.randint(0, len(sigmas), (x.shape[0],), device=device)
            sigma = sigmas[level].view(x.shape[0], 1, 1, 1)
            noisy = x + torch.randn_like(x) * sigma
            target = -1 / (sigma**2) * (noisy - x)
            scores = net(noisy, level).view(x.shape[0], -1)
            difference = (scores - target.view(x.shape[0], -1)) ** 2
            losses = 1 / 2.0 * difference.sum(dim=-1) * sigma.squeeze() ** 2
            loss = losses.mean(dim=0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss.detach()


@torch.no_grad()
def plain_langevin(
    net: nn.Module, x: Tensor, sigmas: Tensor, epsilon: float, steps_per_level: int
) -> list[Tensor]:
    """Algorithm 1 from x (B, C, H, W); returns the clamped states, one a step, on the CPU.

    `epsilon` is Algorithm 1's: the step added to the state is half of it, times the score. The
    states go to the CPU together, after the last step.
    """
    images = []
    for index, sigma in enumerate(sigmas):
        level = torch.ones(x.shape[0], device=x.device) * index
        level = level.long()
        step = (epsilon / 2 * (sigma / sigmas[-1]) ** 2).float()
        for _ in range(steps_per_level):
            images.append(torch.clamp(x, 0.0, 1.0))
            noise = torch.randn_like(x) * torch.sqrt(step * 2)
            x = x + step * net(x, level) + noise
    images.append(torch.clamp(x, 0.0, 1.0))
    return [image.to("cpu") for image in images]

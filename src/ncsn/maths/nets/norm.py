"""InstanceNorm++ (Song & Ermon 2019, Appendix A.1) and what stands in for it.

Two routes to one number: tensor operations, which compilers and accelerators fuse, and one with
a derivative of its own for a CPU in fp32. Every norm takes (x, level) and applies the ELU that
mostly follows.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

NormElu = Callable[[Tensor, Tensor, float, bool], Tensor]  # as `norm_elu`


class ConditionalInstanceNormPlus(nn.Module):
    """Conditional InstanceNorm++ (Song & Ermon 2019, Appendix A.1), as released.

    It is gamma * (xhat + alpha * (mu - m) / sqrt(v + 1e-5)) + beta, where xhat is the
    instance-normalised input, mu a channel's mean, and m and v the mean and unbiased variance of
    mu over channels. The paper's text leaves gamma off the alpha term. With one level it is the
    unconditional InstanceNorm++ of NCSNv2. `operations` may be replaced by a compiled `norm_elu`.
    """

    tiny = 1e-5

    def __init__(self, channels: int, num_levels: int):
        super().__init__()
        self.operations: NormElu = norm_elu
        scales = 1 + 0.02 * torch.randn(num_levels, 2 * channels)
        self.table = nn.Parameter(torch.cat([scales, torch.zeros(num_levels, channels)], dim=1))

    def forward(self, x: Tensor, level: Tensor, *, elu: bool = False) -> Tensor:
        """Normalises x (B, C, H, W) with the row of each sample's level (B,); same shape.

        With `elu` an ELU follows.
        """
        conditional = len(self.table) > 1
        rows = F.embedding(level, self.table) if conditional else self.table.expand(len(x), -1)
        if x.is_cpu and x.dtype == rows.dtype and not torch.compiler.is_compiling():
            y: Tensor = _NormElu.apply(x, rows, self.tiny, elu)
            return y
        return self.operations(x, rows, self.tiny, elu)


def norm_elu(x: Tensor, rows: Tensor, tiny: float, elu: bool) -> Tensor:
    """`instance_norm_plus`, and with `elu` an ELU after it."""
    y = instance_norm_plus(x, rows, tiny)
    return F.elu(y) if elu else y


def instance_norm_plus(x: Tensor, rows: Tensor, tiny: float) -> Tensor:
    """InstanceNorm++ of x (B, C, H, W) with rows of gamma, alpha and beta, shape (B, 3C).

    Statistics are taken in float32 where x has fewer bits; the result has the dtype of x.
    """
    gamma, alpha, beta = rows.chunk(3, dim=1)
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    var, mean = torch.var_mean(wide, dim=(2, 3), correction=0)
    v, m = torch.var_mean(mean, dim=1, keepdim=True)
    factor = gamma * torch.rsqrt(var + tiny)
    shift = gamma * alpha * (mean - m) * torch.rsqrt(v + tiny) + beta - factor * mean
    return torch.addcmul(shift[..., None, None], wide, factor[..., None, None]).to(x.dtype)


class _NormElu(torch.autograd.Function):
    """`instance_norm_plus` and ELU with their own derivative, for a CPU.

    Images are (B, H * W, C) inside, so that sums add whole vectors of channels, and the derivative
    passes over the image four times instead of once an operation. New memory is what costs most:
    results go where a tensor of their size is no longer needed.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor, tiny: float, elu: bool) -> Tensor:
        gamma, alpha, beta = rows.chunk(3, dim=1)
        flat = x.permute(0, 2, 3, 1).flatten(1, 2)
        mean = flat.mean(1)
        centred = flat - mean[:, None]
        spare = centred * centred
        var = spare.sum(1).div_(flat.shape[1])
        factor = gamma * var.add_(tiny).rsqrt_()
        v, m = torch.var_mean(mean, dim=1, keepdim=True)
        mean_hat = mean.sub_(m).mul_(torch.rsqrt(v + tiny))
        shift = torch.addcmul(beta, gamma * alpha, mean_hat)
        y = torch.empty_like(centred) if any(ctx.needs_input_grad) else centred
        torch.addcmul(shift[:, None], centred, factor[:, None], out=y)
        if elu:
            # exp takes half the time of expm1; the difference is a rounding error of 1
            torch.maximum(y, torch.clamp(y, max=0, out=spare).exp_().sub_(1), out=y)
        ctx.save_for_backward(centred, rows, var, v, mean_hat, y if elu else None)
        ctx.tiny = tiny
        return y.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        centred, rows, rstd, v, mean_hat, y = ctx.saved_tensors
        gamma, alpha, _ = rows.chunk(3, dim=1)
        num_pixels, channels = centred.shape[1:]
        flat = grad.permute(0, 2, 3, 1).flatten(1, 2)
        if y is not None:
            flat = torch.ops.aten.elu_backward(flat, 1.0, 1.0, 1.0, True, y)
        total = flat.sum(1)
        spare = flat * centred
        projection = spare.sum(1).mul_(rstd)
        # the mean of a channel: through mean_hat, which is normalised over channels
        grad_hat = total * gamma * alpha
        along = (grad_hat * mean_hat).sum(1, keepdim=True).div_(channels - 1)
        grad_mean = grad_hat - grad_hat.mean(1, keepdim=True) - mean_hat * along
        grad_mean *= torch.rsqrt(v + ctx.tiny)
        # the pixels: through the instance norm, whose scale is factor
        factor = gamma * rstd
        offset = torch.addcmul(grad_mean, factor, total, value=-1).div_(num_pixels)
        slope = (factor * rstd).mul_(projection).div_(-num_pixels)
        grad_x = torch.addcmul(offset[:, None], flat, factor[:, None], out=spare)
        grad_x.addcmul_(centred, slope[:, None])
        grad_gamma = torch.addcmul(projection, total * alpha, mean_hat)
        grad_rows = torch.cat([grad_gamma, total * gamma * mean_hat, total], dim=1)
        return grad_x.unflatten(1, grad.shape[2:]).permute(0, 3, 1, 2), grad_rows, None, None


class NoNorm(nn.Module):
    """The identity, for blocks without normalisation (NCSNv2's refine blocks)."""

    def forward(self, x: Tensor, level: Tensor, *, elu: bool = False) -> Tensor:
        """Returns x, or its ELU."""
        return F.elu(x) if elu else x

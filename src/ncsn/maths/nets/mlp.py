"""Small fully connected score networks for low dimensions (Song & Ermon 2019, Appendix B.1).

`ScoreMLP` outputs a score; `EnergyScore` outputs minus the gradient of a scalar energy, so it is
the score of an unnormalised density; `LevelMLPs` holds networks for each noise level. Weights
are drawn from the generator given.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HIDDEN = (128, 128)


class ScoreMLP(nn.Sequential):
    """dim - hidden - dim with softplus; 2-128-128-2 has 17,154 parameters."""

    def __init__(self, dim: int, generator: torch.Generator, hidden: Sequence[int] = HIDDEN):
        super().__init__(*_layers((dim, *hidden, dim), generator))


class EnergyScore(nn.Module):
    """The score -grad_x f(x) of exp(-f(x)) / Z, whose constant Z drops out.

    f is a dim - hidden - 1 network with softplus. The field has no curl, which a network that
    outputs a score does not guarantee.
    """

    def __init__(self, dim: int, generator: torch.Generator, hidden: Sequence[int] = HIDDEN):
        super().__init__()
        self.layers = nn.Sequential(*_layers((dim, *hidden, 1), generator))

    def energy(self, x: Tensor) -> Tensor:
        """f(x), shape (B,), for x (B, D)."""
        return self.layers(x).squeeze(1)

    def forward(self, x: Tensor) -> Tensor:
        """Scores, shape (B, D); differentiable where autograd is on."""
        keep = torch.is_grad_enabled()
        with torch.enable_grad():
            x = x if x.requires_grad else x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.energy(x).sum(), x, create_graph=keep)
        return -gradient


class LevelMLPs(nn.Module):
    """R networks, dim - hidden - dim with softplus, for each of L noise levels, side by side.

    They share nothing. The output is divided by the level's sigma (NCSNv2, Technique 3), so that
    all levels learn targets of the same size.
    """

    scale: Tensor

    def __init__(
        self,
        dim: int,
        sigmas: Tensor,
        num_copies: int,
        generator: torch.Generator,
        hidden: Sequence[int] = (64, 64),
    ):
        super().__init__()
        self.num_levels, self.num_copies = len(sigmas), num_copies
        count, widths = len(sigmas) * num_copies, (dim, *hidden, dim)
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        self.weights = nn.ParameterList(_uniform((count, i, o), i, generator) for i, o in pairs)
        self.biases = nn.ParameterList(_uniform((count, 1, o), i, generator) for i, o in pairs)
        scale = sigmas.float().repeat_interleave(num_copies).view(-1, 1, 1)
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor, level: int | None = None) -> Tensor:
        """Each network's scores of its own inputs.

        Args:
            x: inputs, each network's behind one another, level by level: (L * R * B, D), or
                (R * B, D) when `level` names the one level to use.
            level: 0 to L - 1, or None for all.

        Returns:
            Scores, shape of x.
        """
        copies = self.num_copies
        rows = slice(None) if level is None else slice(level * copies, (level + 1) * copies)
        scale = self.scale[rows]
        y = x.view(len(scale), -1, x.shape[1])
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            y = torch.baddbmm(bias[rows], y if index == 0 else F.softplus(y), weight[rows])
        return (y / scale).view_as(x)


def _layers(widths: Sequence[int], generator: torch.Generator) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for i, o in zip(widths[:-1], widths[1:], strict=True):
        linear = nn.utils.skip_init(nn.Linear, i, o)
        linear.weight = _uniform((o, i), i, generator)
        linear.bias = _uniform((o,), i, generator)
        layers += [linear, nn.Softplus()]
    return layers[:-1]


def _uniform(shape: tuple[int, ...], fan_in: int, generator: torch.Generator) -> nn.Parameter:
    """U(-1/sqrt(fan_in), 1/sqrt(fan_in)), the default of torch's linear layers."""
    bound = fan_in**-0.5
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))

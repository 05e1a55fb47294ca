"""Small fully connected score networks for low dimensions (Song & Ermon 2019, Appendix B.1).

`ScoreMLP` outputs a score; `EnergyScore` outputs minus the gradient of a scalar energy, so it is
the score of an unnormalised density; `LevelMLPs` holds one network for each noise level. Weights
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
    """One dim - hidden - dim softplus network for each of L noise levels, trained side by side.

    The output is divided by the level's sigma (NCSNv2, Technique 3), so that all levels learn
    targets of the same size.
    """

    sigmas: Tensor

    def __init__(
        self,
        dim: int,
        sigmas: Tensor,
        generator: torch.Generator,
        hidden: Sequence[int] = HIDDEN,
    ):
        super().__init__()
        widths = (dim, *hidden, dim)
        pairs = list(zip(widths[:-1], widths[1:], strict=True))
        self.weights = nn.ParameterList(
            _uniform((len(sigmas), i, o), i, generator) for i, o in pairs
        )
        self.biases = nn.ParameterList(
            _uniform((len(sigmas), 1, o), i, generator) for i, o in pairs
        )
        self.register_buffer("sigmas", sigmas.float())

    def forward(self, x: Tensor) -> Tensor:
        """Scores (L, B, D) of x (L, B, D): slice l goes through network l."""
        scale = self.sigmas.view(-1, 1, 1)
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.baddbmm(bias, x if index == 0 else F.softplus(x), weight)
        return x / scale

    def score_at(self, x: Tensor, level: int) -> Tensor:
        """Scores (B, D) of x (B, D) by the network of one level."""
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.addmm(bias[level], x if index == 0 else F.softplus(x), weight[level])
        return x / self.sigmas[level]


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

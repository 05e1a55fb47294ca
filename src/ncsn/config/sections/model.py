"""Section `model`: the score network."""

from typing import Literal

from ncsn.config.sections.kinds import Channels, Section


class ModelParams(Section):
    """The score network, or `oracle`: the exact score of the training images."""

    name: Literal["ncsn", "ncsnv2", "oracle"]
    """`ncsn` is the paper's RefineNet, conditional on the level (Appendix A); `ncsnv2` is one
    field s(x) for all levels, divided by sigma (Technique 3 of NCSNv2); `oracle` is no network but
    the exact score of the smoothed training images, and trains nothing."""

    base_channels: Channels
    """Filters of the first cascade, 4 to 1024; later cascades have twice as many. The paper has 64
    for MNIST and 128 for CIFAR-10 and CelebA."""

"""Section `oracle`: the exact score of the training images, beside the network."""

from ncsn.config.sections.kinds import Images, Section


class OracleParams(Section):
    """What is drawn with the exact score of the training images, under the same sampler."""

    num_samples: Images
    """Images to draw with the exact score, 2 to 10,000,000."""

    num_draws: Images
    """Pairs of image and noise that estimate the least reachable loss of each level, 2 to
    10,000,000."""

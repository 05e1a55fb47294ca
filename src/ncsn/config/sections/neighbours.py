"""Section `neighbours`: nearest training images of samples."""

from ncsn.config.sections.kinds import Section, Shown


class NeighboursParams(Section):
    """How many samples are looked up among the training images, and how many of those are kept."""

    num_samples: Shown
    """Samples whose nearest training images are looked up, as in the paper's appendix; 1 to
    10,000."""

    num_neighbours: Shown
    """Nearest training images kept for each of them, 1 to 10,000, at most the training images."""

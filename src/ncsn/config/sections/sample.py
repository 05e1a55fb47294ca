"""Section `sample`: how many images are drawn, and from which seed."""

from ncsn.config.sections.kinds import BatchSize, Images, Precision, Section, Seed, Shown


class SampleParams(Section):
    """How many images are drawn. Block b of `block_size` images draws its noise from (seed, b)."""

    seed: Seed
    """Names the random numbers of the chains; a whole number from 0 to 2^63 - 1."""

    num_samples: Images
    """Images to draw, 2 to 10,000,000. The paper's FID is of 50,000."""

    block_size: BatchSize
    """Images that share one generator, 1 to 1,048,576. It decides which noise an image gets, so
    that another value draws other images."""

    num_trajectory_images: Shown
    """Images of the first block whose way through the levels is kept (the paper's Fig. 4), 1 to
    10,000, at most `block_size` and `num_samples`."""

    precision: Precision
    """What the network computes in, as `train.precision`. The chain's state is fp32 always."""

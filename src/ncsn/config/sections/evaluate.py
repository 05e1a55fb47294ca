"""Section `evaluate`: sizes inside the metrics of torch-fidelity."""

from ncsn.config.sections.kinds import Neighbourhood, Repeats, Section, SubsetSize


class EvaluateParams(Section):
    """Sizes inside the metrics of torch-fidelity; FID and Inception Score have none."""

    kid_subset_size: SubsetSize
    """Images of each side in one subset of KID, 2 to 100,000, at most those there are. The KID
    paper (arXiv 1801.01401) has 1000."""

    kid_subsets: Repeats
    """Random subsets over which KID's mean and spread are taken, 1 to 100,000; usually 100."""

    prc_neighborhood: Neighbourhood
    """k of the k-th nearest neighbour that bounds the manifold of precision and recall, 1 to
    10,000, less than the images there are; 3 in arXiv 1904.06991."""

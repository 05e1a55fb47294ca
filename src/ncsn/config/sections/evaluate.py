"""Section `evaluate`: sizes inside the metrics, their error bars and the matched floor."""

from ncsn.config.sections.kinds import (
    ErrorGroups,
    FloorSubsets,
    Images,
    Neighbourhood,
    Repeats,
    Section,
    SubsetSize,
)


class EvaluateParams(Section):
    """Sizes inside the metrics of torch-fidelity, of their error bars and of the matched floor."""

    kid_subset_size: SubsetSize
    """Images of each side in one subset of KID, 2 to 100,000, at most those there are. The KID
    paper (arXiv 1801.01401) has 1000."""

    kid_subsets: Repeats
    """Random subsets over which KID's mean and spread are taken, 1 to 100,000; usually 100."""

    prc_neighborhood: Neighbourhood
    """k of the k-th nearest neighbour that bounds the manifold of precision and recall, 1 to
    10,000, less than the images there are; 3 in arXiv 1904.06991."""

    error_groups: ErrorGroups
    """Groups of images of each side, left out one after the other for error bars, 20 to 1,000, or
    0 for no bars."""

    floor_subsets: FloorSubsets
    """Random subsets of real images that are measured as if they were generated, 20 to 1,000, or 0
    for no matched floor."""

    floor_images: Images | None
    """Images in each of these subsets, 2 to 10,000,000, at most those of the split that is not the
    reference; null takes as many as were generated, or all where those are fewer."""

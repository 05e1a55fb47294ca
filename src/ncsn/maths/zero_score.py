"""The loss of a network that has learnt nothing; without torch, which the report does not load."""


def zero_score_loss(num_values: int) -> float:
    """Returns D/2, the mean weighted denoising score matching loss of a score that is zero.

    With s = 0 the loss in `losses` is 1/2 lambda(sigma) ||z / sigma||^2. With the paper's
    lambda(sigma) = sigma^2 that is ||z||^2 / 2 at every level, whatever the data: half a
    chi-square variable with D degrees of freedom, whose mean and variance are D/2.

    Args:
        num_values: D, the number of values of x.
    """
    return num_values / 2

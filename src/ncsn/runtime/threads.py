"""One thread for sums that become published numbers.

With more threads a sum is cut into other parts, and its last digits move with the number of
processors. In a training the last digits grow: the classifier's moved FID by half a percent.
"""

import contextlib
from collections.abc import Iterator

import torch
from threadpoolctl import threadpool_limits


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Lets torch and the linear algebra of numpy compute in one thread while the block runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)

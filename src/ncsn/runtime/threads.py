"""How many threads compute: one for sums that become published numbers, and by the size of work.

With more threads a sum is cut into other parts, and its last digits move with the number of
processors. In a training the last digits grow: the classifier's moved FID by half a percent.

Threads of one computation meet at the end of every operation. On cores that other processes use
too, each meeting waits for the thread that was set aside, so that a small network is many times
slower with two threads than with one. Work has as many threads as it is large.
"""

import contextlib
import os
from collections.abc import Iterator

import torch
from threadpoolctl import threadpool_limits

# A gradient of an 8x8 network on 128 images has 7e9 FLOP in a thousand operations, of which two
# threads make no more than one does beside a neighbour; one at 28x28 has 9e10.
FLOP_PER_THREAD = 1e10


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Lets torch and the linear algebra of numpy compute in one thread while the block runs."""
    with computing_threads(1), threadpool_limits(limits=1, user_api="blas"):
        yield


@contextlib.contextmanager
def computing_threads(count: int) -> Iterator[None]:
    """Lets torch compute in `count` threads while the block runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def threads_for(flops: float, device: torch.device) -> int:
    """Returns how many of torch's threads a repeated piece of work deserves.

    On a CPU it is one for each FLOP_PER_THREAD, and never more than torch has. OMP_NUM_THREADS
    of the user wins.

    Args:
        flops: of one gradient of a batch, or one evaluation of it.
        device: where the work runs; the few operations beside a GPU have all threads.
    """
    available = torch.get_num_threads()
    if device.type != "cpu" or "OMP_NUM_THREADS" in os.environ:
        return available
    return min(available, max(1, int(flops / FLOP_PER_THREAD)))

"""Whether this process is one of several that torchrun started, and which.

torchrun tells each process by the environment. `runtime.ranks` is what they do together.
"""

import os
import time

RANK, WORLD_SIZE, LOCAL_RANK = "RANK", "WORLD_SIZE", "LOCAL_RANK"  # torchrun's own names
AGENT = "NCSN_AGENT"  # process id of torchrun's agent, where a script of ours is the agent
LAST_WORDS_SEC = 5.0  # torchrun looks at its processes ten times a second


def is_rank() -> bool:
    """Returns whether torchrun, or a launcher that tells the same, started this process."""
    return RANK in os.environ and WORLD_SIZE in os.environ


def agent() -> int:
    """Returns the process that started this one, even where it has died since."""
    return int(os.environ.get(AGENT, os.getppid())) if is_rank() else os.getppid()


def is_first_rank() -> bool:
    """Returns whether this process is the one that writes and tells; alone it is."""
    return not is_rank() or os.environ[RANK] == "0"


def local_rank() -> int:
    """Returns the number of this process among those of its host."""
    return int(os.environ.get(LOCAL_RANK, "0"))


def let_the_first_speak() -> None:
    """Waits, in all processes of a host but its first, to be ended before a word is said.

    A mistake that all of them meet is told by the first, whose end is theirs. One that this
    process alone has met comes up after the wait.
    """
    if is_rank() and local_rank() > 0:
        time.sleep(LAST_WORDS_SEC)

"""Progress of long work on stderr: rate, time to finish, a number to watch."""

import sys

from tqdm import tqdm


def progress_bar(total: int, unit: str, *, initial: int = 0, label: str = "") -> tqdm:
    """Returns a bar over `total` units that shows units per second and the time left.

    A terminal is redrawn twice a second; a log file gets a line's worth every ten seconds.
    """
    return tqdm(
        total=total,
        initial=initial,
        unit=unit,
        desc=label,
        mininterval=0.5 if sys.stderr.isatty() else 10,
        dynamic_ncols=True,
        smoothing=0.05,
    )


def notice(text: str) -> None:
    """Says something on stderr without breaking a progress bar."""
    tqdm.write(f"notice: {text}", file=sys.stderr)

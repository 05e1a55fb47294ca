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
    """Prints a line on stderr without breaking a progress bar."""
    tqdm.write(f"notice: {text}", file=sys.stderr)


def quantity(value: float, unit: str) -> str:
    """Returns a value with its unit and a decimal prefix.

    >>> quantity(3.786e9, "FLOP"), quantity(12, "FLOP")
    ('3.79 GFLOP', '12 FLOP')
    """
    for power, prefix in ((18, "E"), (15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if value >= 10**power:
            return f"{value / 10**power:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def duration(seconds: float) -> str:
    """Returns a time span in its two largest units, a short one to a tenth of a second.

    >>> duration(3.217), duration(42), duration(200), duration(8000), duration(200_000)
    ('3.2 s', '42 s', '3 min 20 s', '2 h 13 min', '2 d 7 h')
    """
    rest = round(seconds)
    if rest < 10:
        return f"{seconds:.1f} s"
    for size, name, below, below_name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if rest >= size:
            return f"{rest // size} {name} {rest % size // below} {below_name}"
    return f"{rest} s"

"""The exceptions that stand for a user's mistake; `entry` prints them without a traceback."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake that the user can mend; the message names the file or key, value and rule."""


class Missing(UserError):
    """A file that is not there; who can do without it catches this."""


class Diverged(UserError):
    """Numbers that left the finite ones under the values given; a sweep goes on without them."""


def nearest(name: str, choices: Iterable[str]) -> str:
    """Returns ' Did you mean X?' for the closest of `choices`, or '' when nothing is close.

    >>> nearest("sigma_mx", ["sigma_max", "num_levels"])
    " Did you mean 'sigma_max'?"
    """
    close = difflib.get_close_matches(str(name), list(choices), n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else ""

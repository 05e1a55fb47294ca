"""The exceptions that stand for a user's mistake; `entry` prints them without a traceback."""

import difflib
import re
import reprlib
from collections.abc import Iterable

_LENGTH = 80  # of a value in a message
_SECRET = re.compile(r"(://[^/@\s:]*):[^/@\s]*@")  # the password in an address
_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _REPR.maxlong = _LENGTH
_REPR.maxlevel, _REPR.maxdict, _REPR.maxlist = 2, 3, 3


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
    close = difflib.get_close_matches(str(name)[:_LENGTH], list(choices), n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else ""


def shown(value: object) -> str:
    """Returns a value as a message shows it: in one short line, passwords masked.

    >>> shown("a\\nb"), shown("postgresql://me:secret@host/db"), len(shown("x" * 1000))
    ("'a\\\\nb'", "'postgresql://me:***@host/db'", 80)
    """
    masked = _SECRET.sub(r"\1:***@", value) if isinstance(value, str) else value
    return _SECRET.sub(r"\1:***@", _REPR.repr(masked))

"""A check of this machine: a line that says that all is fine, or what to do. None can crash."""

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

from ncsn.base.addresses import masked
from ncsn.base.errors import UserError
from ncsn.base.reading import one_line

State = Literal["fine", "note", "mend"]


class Line(NamedTuple):
    """What a check found.

    Attributes:
        state: `fine`; `note` where something could be better; `mend` where `make repro` would
            fail.
        text: what was found, and what to do.
    """

    state: State
    text: str


class Check(NamedTuple):
    """A check.

    Attributes:
        name: what it looks at.
        look: looks; may raise anything. Imports what it needs itself: that may be missing.
    """

    name: str
    look: Callable[[], Line]


def fine(text: str) -> Line:
    """Returns the line of a check that found nothing wrong."""
    return Line("fine", text)


def note(text: str) -> Line:
    """Returns the line of something that could be better."""
    return Line("note", text)


def mend(text: str) -> Line:
    """Returns the line of something without which `make repro` fails."""
    return Line("mend", text)


def looked_at(check: Check) -> Line:
    """Returns the line of a check, whatever goes wrong in it."""
    try:
        return check.look()
    except ImportError as error:
        return mend(f"cannot be looked at: {one_line(error)}; run `make setup`")
    except UserError as error:
        return mend(one_line(error))
    except Exception as error:  # a machine can be odd in any way, and the other lines still help
        return note(f"cannot be looked at ({type(error).__name__}: {one_line(error)})")


def diagnose(checks: Iterable[Check]) -> int:
    """Prints a line for each check; returns the exit status, 1 where `make repro` would fail."""
    checks = list(checks)
    width, num_wrong = max(len(check.name) for check in checks), 0
    for check in checks:
        line = looked_at(check)
        num_wrong += line.state == "mend"
        print(masked(f"{line.state}  {check.name.ljust(width)}  {line.text}"), flush=True)
    wrong = f"{num_wrong} to mend before `make repro`" if num_wrong else "`make repro` can run"
    print(wrong)
    return int(num_wrong > 0)

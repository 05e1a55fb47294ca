"""Calls as a user to whom something can be forbidden; root, as whom containers test, reads all."""

import os
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ncsn.base.errors import UserError

NOBODY = 65534
_MARK = "UserError: "


@contextmanager
def common_folder() -> Iterator[Path]:
    """A new folder that every user may enter, unlike those of pytest; new files can be read."""
    mask = os.umask(0o022)
    try:
        with tempfile.TemporaryDirectory() as name:
            os.chmod(name, 0o755)
            yield Path(name)
    finally:
        os.umask(mask)


def denial(call: Callable[[], object]) -> str | None:
    """Returns the words of the UserError that `call` raises for such a user, None if it returns.

    Any other error is an AssertionError with its traceback. `call` runs in a process of its own,
    which may be unable to import: what is imported on demand must have been imported before.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with open(writing, "w") as answer:
            answer.write(_answer(call))
        os._exit(0)
    os.close(writing)
    with open(reading) as answer:
        text = answer.read()
    assert os.waitpid(child, 0)[1] == 0, text
    assert text == "" or text.startswith(_MARK), text
    return text.removeprefix(_MARK) or None


def _answer(call: Callable[[], object]) -> str:
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        call()
    except UserError as error:
        return f"{_MARK}{error}"
    except BaseException:
        return traceback.format_exc()
    return ""

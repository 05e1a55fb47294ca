"""Calls of MLflow that are repeated while the store is locked.

SQLite answers "database is locked" at once where waiting cannot help it: when a transaction that
has read wants to write and another process wrote in between. Doing it again does help.
"""

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE, ErrorCode

from ncsn.base.addresses import masked
from ncsn.base.errors import UserError

# Not tenacity: the same rule in its words takes three lines more, and one more dependency.

P = ParamSpec("P")
R = TypeVar("R")

RETRY_SEC = 60.0
_FIRST_PAUSE_SEC, _LONGEST_PAUSE_SEC = 0.05, 2.0


def retried(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Returns what `call` returns, trying for RETRY_SEC while the store is locked.

    Args:
        call: what to do; doing it twice must be the same as once.
        args: of `call`.
        kwargs: of `call`.

    Raises:
        UserError: the store stays locked, or the call fails in another way.
    """
    deadline, pause = time.monotonic() + RETRY_SEC, _FIRST_PAUSE_SEC
    while True:
        try:
            return call(*args, **kwargs)
        except MlflowException as error:
            busy = error.error_code == ErrorCode.Name(TEMPORARILY_UNAVAILABLE)
            if not busy or time.monotonic() > deadline:
                reason = masked(str(error).splitlines()[0])
                raise UserError(f"track.uri: MLflow cannot write to the store: {reason}") from None
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SEC)

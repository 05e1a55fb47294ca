"""What the workers of a study agree on in the database: ids, limits, and what went wrong.

All of it is read and written under the study's lock.
"""

import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import optuna

from ncsn.base.addresses import masked

LIMITS, NEXT_WORKER, COMPLAINTS = "limits", "next_worker", "complaints"  # attributes of a study
OF_WORKERS = (LIMITS, NEXT_WORKER, COMPLAINTS)
_MOST_COMPLAINTS = 20  # of which the newest are kept


class Limits(NamedTuple):
    """When a study ends: after so many trials; no trial starts after `deadline`, a Unix time."""

    trials: int
    deadline: float


class Member(NamedTuple):
    """A worker of a study.

    Attributes:
        number: which no other worker of the study has had, on any host.
        name: `host/number`.
    """

    number: int
    name: str


def study_lock(name: str) -> str:
    """Returns the name of a study's lock: for making it, its points and these notes."""
    return f"study-{name}"


def joined(study: optuna.Study) -> Member:
    """Returns a new worker of the study."""
    number = int(study.user_attrs.get(NEXT_WORKER, 0))
    study.set_user_attr(NEXT_WORKER, number + 1)
    return Member(number, f"{socket.gethostname()}/{number}")


def note_limits(study: optuna.Study, limits: Limits) -> None:
    """Notes when the study ends, for the workers that run and those that join."""
    study.set_user_attr(LIMITS, limits._asdict())


def noted_limits(attrs: Mapping[str, Any]) -> Limits | None:
    """Returns when a study ends, None for one that an earlier version opened last."""
    noted = attrs.get(LIMITS)
    return None if noted is None else Limits(int(noted["trials"]), float(noted["deadline"]))


def note_complaint(study: optuna.Study, worker: str, reason: str) -> None:
    """Notes why a worker ended with an error."""
    entry = {"worker": worker, "reason": masked(reason), "at": datetime.now(UTC).isoformat()}
    earlier = study.user_attrs.get(COMPLAINTS, [])
    study.set_user_attr(COMPLAINTS, [*earlier, entry][-_MOST_COMPLAINTS:])


def forget_complaints(study: optuna.Study) -> None:
    """A study that is opened again starts without complaints."""
    if study.user_attrs.get(COMPLAINTS):
        study.set_user_attr(COMPLAINTS, [])


def complaint_lines(attrs: Mapping[str, Any]) -> list[str]:
    """Returns a line for each worker that ended with an error since the study was opened."""
    return [f"worker {one['worker']}: {one['reason']}" for one in attrs.get(COMPLAINTS) or []]

"""Section `sweep`: where studies are kept, and when a worker counts as dead."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from ncsn.config.sections.kinds import Seconds, Section, at_most


class SweepParams(Section):
    """Where studies are kept, and when a worker counts as dead."""

    storage: str = Field(pattern=r"^[a-z0-9+]+://")
    """Database of the studies; sqlite:///FILE is relative to the project, postgresql://... serves
    several hosts. NCSN_SWEEP_STORAGE in the environment wins over it, and an address with a
    password belongs there."""

    heartbeat_sec: Seconds
    """Seconds between two signs of life of a worker, 1 to 604,800."""

    grace_sec: Seconds
    """Seconds of silence after which a worker counts as dead and its trial is tried again; at
    least twice `heartbeat_sec`, at most 604,800."""

    max_retry: Annotated[int, Field(ge=0), at_most(1000, "such a trial kills its worker")]
    """How often a trial is tried again after its worker died or a stage was killed, 0 to 1000."""

    @model_validator(mode="after")
    def _a_heartbeat_may_be_missed(self) -> Self:
        if self.grace_sec < 2 * self.heartbeat_sec:
            rule = f"must be at least {2 * self.heartbeat_sec}, twice sweep.heartbeat_sec"
            raise ValueError(f"grace_sec: {rule}; a living worker would be taken for dead")
        return self

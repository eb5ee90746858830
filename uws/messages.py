"""Messages about jobs: their kinds, what triggers them, and how long delivery is tried.

Transports (`uws.notify.delivery`) know the recipients and the protocol.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from uws.errors import TransientError
from uws.models import Phase

__all__ = ["PHASES", "Message", "Policy", "TransportUnavailable", "Trigger", "Undeliverable"]

_PAUSE_MAX_S = 3600.0
"""Longest pause before the next try, s."""


class Trigger(StrEnum):
    """What happened, or will happen, to the job of a message."""

    ENDED = "ended"
    """The job has ended."""

    EXPIRING = "expiring"
    """The job and its results will be destroyed soon."""


PHASES: Mapping[Trigger, tuple[Phase, ...]] = MappingProxyType(
    {
        Trigger.ENDED: (Phase.COMPLETED, Phase.ERROR, Phase.ABORTED),
        Trigger.EXPIRING: (Phase.COMPLETED, Phase.ABORTED),
    }
)
"""Phases that are reported."""


class Undeliverable(Exception):
    """A message can never be delivered: trying again is useless. The text says why."""


class TransportUnavailable(TransientError):
    """No message of this kind can be sent at present: the others need not be tried now."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One kind of message: which jobs have it, when, and for how long it is tried."""

    kind: str
    """Of the message, unique among all: `mail-ended`. Stored with each."""

    parameter: str
    """Jobs that have this parameter get the message."""

    trigger: Trigger
    lead_s: float = 0.0
    """How long before the destruction of a job its EXPIRING message is sent."""

    retry_pause_s: float = 60.0
    """Pause after the first try; each further one is twice as long, up to an hour."""

    retry_for_s: float = 2 * 86400.0
    """Time after the trigger at which delivery is given up, s."""

    def pause_after(self, tries: int) -> timedelta:
        """Return the pause after so many tries in vain, 1 or more."""
        doublings = min(tries - 1, 32)  # beyond it the longest pause is reached whatever it is
        return timedelta(seconds=min(self.retry_pause_s * 2.0**doublings, _PAUSE_MAX_S))


@dataclass(frozen=True, slots=True)
class Message:
    """A message of one job, as the store knows it."""

    job_id: str
    kind: str
    about: datetime
    """When the job ended or will be destroyed. Each such event has one message of a kind."""

    tries: int
    """Number of tries, this one included."""

    created_time: datetime

    @property
    def id(self) -> str:
        """Unique id, which stays the same at each try."""
        return f"{self.kind}.{self.job_id}.{self.about:%Y%m%dT%H%M%S%f}"

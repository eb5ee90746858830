"""Messages about jobs: which there are, what triggers them, until when they are tried.

To whom they go, and how, is for a transport (`uws.notify.delivery`); the store knows only this.
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
"""What could not be delivered is tried again at most so much later."""


class Trigger(StrEnum):
    """What happened, or will happen, to the job of a message."""

    ENDED = "ended"
    """The job has ended."""

    EXPIRING = "expiring"
    """The job is to be destroyed soon, and its results with it."""


PHASES: Mapping[Trigger, tuple[Phase, ...]] = MappingProxyType(
    {
        Trigger.ENDED: (Phase.COMPLETED, Phase.ERROR, Phase.ABORTED),
        Trigger.EXPIRING: (Phase.COMPLETED, Phase.ABORTED),
    }
)
"""Phases in which there is something to tell."""


class Undeliverable(Exception):
    """A message that will never arrive: nothing is gained by trying again. The text says why."""


class TransportUnavailable(TransientError):
    """No message of this kind can be sent at present: no other one need be tried now."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One kind of message: which jobs have it, when, and for how long it is tried."""

    kind: str
    """Of the message, unique among all: `mail-ended`. Stored with each."""

    parameter: str
    """Jobs that have this parameter get the message."""

    trigger: Trigger
    lead_s: float = 0.0
    """How long before its destruction a job is told that it is EXPIRING."""

    retry_pause_s: float = 60.0
    """Pause after the first try; each further one is twice as long, up to an hour."""

    retry_for_s: float = 2 * 86400.0
    """Counted from the trigger, after which a message is not begun and not tried again."""

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
    """When the job ended; or is to be destroyed. There is one message of a kind about each."""

    tries: int
    """How often it was taken in hand, this time included."""

    created_time: datetime

    @property
    def id(self) -> str:
        """Name that is the same at each try, and no other message's."""
        return f"{self.kind}.{self.job_id}.{self.about:%Y%m%dT%H%M%S%f}"

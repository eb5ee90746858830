"""What is to be told of jobs: which messages, on what occasion, until when they are tried.

Who is told, and how, is a carrier's (`uws.notify.delivery`); here stands what the store must know
of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from uws.errors import TransientError
from uws.models import Phase

__all__ = ["PHASES", "CarrierAway", "Message", "Occasion", "Terms", "Undeliverable"]

_PAUSE_MAX_S = 3600.0
"""What could not be delivered is tried again at most so much later."""


class Occasion(StrEnum):
    """What a message tells of."""

    ENDED = "ended"
    """The job has ended."""

    EXPIRING = "expiring"
    """The job is to be destroyed soon, and its results with it."""


PHASES: Mapping[Occasion, tuple[Phase, ...]] = MappingProxyType(
    {
        Occasion.ENDED: (Phase.COMPLETED, Phase.ERROR, Phase.ABORTED),
        Occasion.EXPIRING: (Phase.COMPLETED, Phase.ABORTED),
    }
)
"""Phases in which there is something to tell."""


class Undeliverable(Exception):
    """A message that will never arrive: nothing is gained by trying again. The text says why."""


class CarrierAway(TransientError):
    """What carries all messages of a kind is away: no other one need be tried just now."""


@dataclass(frozen=True, slots=True)
class Terms:
    """One kind of message: which jobs have it, when, and for how long it is tried."""

    kind: str
    """Of the message, unique among all: `mail-ended`. Stored with each."""

    parameter: str
    """Jobs that have this parameter get the message."""

    occasion: Occasion
    lead_s: float = 0.0
    """How long before its destruction a job is told that it is EXPIRING."""

    retry_pause_s: float = 60.0
    """Pause after the first try; each further one is twice as long, up to an hour."""

    retry_for_s: float = 2 * 86400.0
    """Counted from the occasion, after which a message is not begun and not tried again."""

    def pause_after(self, tries: int) -> timedelta:
        """Give the pause after so many tries in vain, 1 or more."""
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

"""Delivery of messages about jobs: find, claim, hand to the transport, try again.

Delivery is separate from the sweep, so that no job waits for a mail server. Any number of processes
on any hosts may deliver. A message is sent once. Only if its process is killed between the
transport's acceptance and the store's record is it sent again, after the lease, with the same
`Message.id`.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from uws.errors import NotFoundError, TransientError
from uws.incidents import log_bug
from uws.messages import PHASES, Message, Policy, TransportUnavailable, Trigger, Undeliverable
from uws.models import Job
from uws.runtime import Runtime

__all__ = ["MessageReport", "Transport", "deliver", "run_messenger"]

_log = logging.getLogger(__name__)

_LEASE_S = 600.0
"""Longer than any transport takes, since all have time-outs."""


class Transport(Protocol):
    """Sends the messages of one kind."""

    @property
    def policy(self) -> Policy:
        """Which messages."""
        ...

    def wants(self, job: Job) -> bool:
        """Check whether there is something to report of this job; cheap."""
        ...

    def send(self, job: Job, message: Message) -> None:
        """Send a message; return once the other side has accepted it.

        Raises
        ------
        Undeliverable
            When it will never be accepted.
        TransientError
            When it may be accepted later; `TransportUnavailable` when no message would be accepted
            now.
        """
        ...


@dataclass(frozen=True, slots=True)
class MessageReport:
    """What a round of deliveries did; all counts."""

    sent: int = 0
    dropped: int = 0
    """Messages that are no longer true: the job was kept, archived or changed."""

    put_off: int = 0
    """Messages to be tried again."""

    given_up: int = 0


def run_messenger(
    runtime: Runtime, transports: Sequence[Transport], *, every_s: float, stop: threading.Event
) -> None:
    """Deliver again and again until `stop` is set. It waits for a store that cannot be reached."""
    while not stop.is_set():
        try:
            deliver(runtime, transports, stop=stop)
        except TransientError as error:
            _log.warning("messages put off: %s", error)
        stop.wait(every_s)


def deliver(
    runtime: Runtime,
    transports: Sequence[Transport],
    now: datetime | None = None,
    *,
    for_s: float = 60.0,
    stop: threading.Event | None = None,
) -> MessageReport:
    """Deliver all messages that are due.

    Parameters
    ----------
    runtime
        Store and files.
    transports
        One for each kind of message; in turn.
    now
        The present time, aware; by default that of the clock.
    for_s
        No further message is begun after so long, seconds.
    stop
        No further message is begun once this is set.

    Raises
    ------
    TransientError
        When the job store cannot be reached.
    """
    counts: Counter[str] = Counter()
    until_s = time.monotonic() + for_s
    for transport in transports:
        runtime.store.messages.post(transport.policy, now or datetime.now(UTC))
        while time.monotonic() < until_s and not (stop and stop.is_set()):
            instant = now or datetime.now(UTC)
            message = runtime.store.messages.claim(
                transport.policy.kind, now=instant, lease_s=_LEASE_S
            )
            if message is None:
                break
            ended = _deliver_one(runtime, transport, message, instant)
            counts["put_off" if ended == "away" else ended] += 1
            if ended == "away":
                break
    return MessageReport(**counts)


def _deliver_one(runtime: Runtime, transport: Transport, message: Message, now: datetime) -> str:
    """Deliver a message; returns the field of the report, or `away` without a transport."""
    try:
        job = runtime.store.get(message.job_id)
    except NotFoundError:
        return "dropped"  # deleted since, and the message with it
    extra = {"job_id": job.id, "owner": job.owner}
    if not _is_true(job, message, transport.policy, now) or not transport.wants(job):
        runtime.store.messages.settle(message, "dropped")
        return "dropped"
    if message.tries > 1 and now > _last_try(transport.policy, message):
        return _give_up(runtime, message, "no time is left", extra)  # its deliverers were killed
    try:
        transport.send(job, message)
    except Undeliverable as error:
        return _give_up(runtime, message, str(error), extra)
    except TransientError as error:
        reason, is_unavailable = str(error), isinstance(error, TransportUnavailable)
    except Exception:  # noqa: BLE001 - a bug in one message is not to hold up all others
        reason, is_unavailable = f"reference {log_bug('message failed', extra)}", False
    else:
        runtime.store.messages.settle(message, "sent")
        _log.info("message sent: %s", message.id, extra=extra)
        return "sent"
    return _put_off(runtime, transport.policy, message, reason, now, extra) or (
        "away" if is_unavailable else "put_off"
    )


def _is_true(job: Job, message: Message, policy: Policy, now: datetime) -> bool:
    """Check whether what a message reports is still true."""
    if job.phase not in PHASES[policy.trigger]:
        return False
    return policy.trigger is Trigger.ENDED or now < message.about == job.destruction


def _last_try(policy: Policy, message: Message) -> datetime:
    return message.created_time + timedelta(seconds=policy.retry_for_s)


def _put_off(
    runtime: Runtime,
    policy: Policy,
    message: Message,
    reason: str,
    now: datetime,
    extra: dict[str, str],
) -> str:
    """Schedule another try of a message; return its outcome if there is none."""
    again = now + policy.pause_after(message.tries)
    if again > _last_try(policy, message):
        return _give_up(runtime, message, reason, extra)
    runtime.store.messages.put_off(message, again)
    text = "message put off to %s after try %d: %s: %s"
    _log.warning(text, f"{again:%H:%M:%S}", message.tries, message.id, reason, extra=extra)
    return ""


def _give_up(runtime: Runtime, message: Message, reason: str, extra: dict[str, str]) -> str:
    runtime.store.messages.settle(message, "given up")
    text = "message given up after try %d: %s: %s"
    _log.warning(text, message.tries, message.id, reason, extra=extra)
    return "given_up"

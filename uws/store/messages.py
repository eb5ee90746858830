"""Messages about jobs, to people and programs.

A message is stored when its trigger occurs, claimed for delivery, and settled. The claim is a
lease: until `due_time` nobody else claims it, so any number of hosts may deliver.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from uws.messages import PHASES, Message, Policy, Trigger
from uws.store.database import Database
from uws.store.schema import jobs, messages, parameters, results

__all__ = ["MessageStore"]

_WAITING, _SETTLED = "waiting", ("sent", "dropped", "given up")

_AT_ONCE = 500
"""Messages posted by one transaction; the next round posts the others."""


class MessageStore:
    """Messages of all jobs, delivered or not."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def post(self, policy: Policy, now: datetime) -> int:
        """Store the messages whose trigger has occurred, each once; return their number."""
        with self._database.reading() as connection:
            found = _find_due(connection, policy, now)
        if not found:
            return 0
        # Messages that a power cut loses are found again.
        with self._database.working() as connection:
            return _insert(connection, policy.kind, found[:_AT_ONCE], now)

    def claim(self, kind: str, *, now: datetime, lease_s: float) -> Message | None:
        """Claim the message that has been due longest; for a lease nobody else gets it."""
        with self._database.reading() as connection:
            if connection.execute(_due(kind, now)).first() is None:
                return None  # as a rule; SQLite has but one writer at a time
        with self._database.writing() as connection:
            row = connection.execute(_due(kind, now).with_for_update(skip_locked=True)).first()
            if row is None:
                return None
            message = Message(row.job_id, kind, row.about, row.tries + 1, row.created_time)
            later = now + timedelta(seconds=lease_s)
            _update(connection, message, tries=message.tries, due_time=later)
            return message

    def settle(self, message: Message, state: str) -> None:
        """Record the outcome of a message: `sent`, `dropped` or `given up`."""
        assert state in _SETTLED  # noqa: S101 - a slip of ours, which no client can make
        with self._database.writing() as connection:
            _update(connection, message, state=state)

    def put_off(self, message: Message, until: datetime) -> None:
        """Schedule the next try of a message."""
        with self._database.working() as connection:
            _update(connection, message, due_time=until)


def _find_due(connection: Connection, policy: Policy, now: datetime) -> list[tuple[str, datetime]]:
    """Find jobs with an event that has no message yet, and the event's time."""
    about = jobs.c.end_time if policy.trigger is Trigger.ENDED else jobs.c.destruction
    posted = sa.select(sa.literal(1)).where(
        messages.c.job_id == jobs.c.id, messages.c.kind == policy.kind
    )
    wanted = (
        sa.select(sa.literal(1))
        .where(parameters.c.job_id == jobs.c.id, parameters.c.name == policy.parameter)
        .where(parameters.c.value != "")
    )
    phases = sorted(phase.value for phase in PHASES[policy.trigger])
    query = sa.select(jobs.c.id, jobs.c.end_time, about.label("about")).where(
        jobs.c.phase.in_(phases), jobs.c.end_time.is_not(None), sa.exists(wanted)
    )
    if policy.trigger is Trigger.ENDED:
        since = now - timedelta(seconds=policy.retry_for_s)
        query = query.where(about >= since, ~sa.exists(posted))
        return [(row.id, row.about) for row in connection.execute(query)]
    lead = timedelta(seconds=policy.lead_s)
    # One in as long as the warning comes ahead, however often a client moves the time meanwhile.
    lately = sa.or_(messages.c.about == about, messages.c.created_time > now - lead)
    query = query.where(about > now, about <= now + lead, ~sa.exists(posted.where(lately)))
    query = query.where(sa.exists(sa.select(sa.literal(1)).where(results.c.job_id == jobs.c.id)))
    rows = connection.execute(query)
    # Jobs that live for less were told the time when they ended.
    return [(row.id, row.about) for row in rows if row.end_time <= row.about - lead]


def _insert(
    connection: Connection, kind: str, found: Sequence[tuple[str, datetime]], now: datetime
) -> int:
    present = _lock_jobs(connection, [job_id for job_id, _ in found])
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert
    posted = 0
    for job_id, about in found:
        if job_id in present:
            values = {"job_id": job_id, "kind": kind, "about": about, "state": _WAITING}
            row = values | {"created_time": now, "due_time": now}
            new = insert(messages).values(row).on_conflict_do_nothing()
            posted += len(connection.execute(new.returning(messages.c.job_id)).all())
    return posted


def _lock_jobs(connection: Connection, job_ids: Sequence[str]) -> set[str]:
    """Keep jobs from being deleted until the transaction ends; returns those that are there."""
    query = sa.select(jobs.c.id).where(jobs.c.id.in_(job_ids)).order_by(jobs.c.id)
    return set(connection.scalars(query.with_for_update(read=True, key_share=True)))


def _due(kind: str, now: datetime) -> "sa.Select[tuple[str, datetime, int, datetime]]":
    return (
        sa.select(messages.c.job_id, messages.c.about, messages.c.tries, messages.c.created_time)
        .where(messages.c.state == _WAITING, messages.c.kind == kind, messages.c.due_time <= now)
        .order_by(messages.c.due_time)
        .limit(1)
    )


def _update(connection: Connection, message: Message, **values: object) -> None:
    key = (messages.c.job_id, messages.c.kind, messages.c.about)
    wanted = (message.job_id, message.kind, message.about)
    same = (column == value for column, value in zip(key, wanted, strict=True))
    statement = messages.update().where(*same, messages.c.state == _WAITING)
    connection.execute(statement.values(values))

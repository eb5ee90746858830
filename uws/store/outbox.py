"""The part of the job store about messages to people and programs, and links that keep a job.

A message is stored when its occasion is seen, claimed by whoever delivers it, and settled. The
claim is a lease: until `due_time` nobody else takes it, so any number of hosts may deliver.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Index, Integer, Table, Text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from uws.models import Phase
from uws.notify.outbox import PHASES, Message, Occasion, Terms
from uws.store.database import Database
from uws.store.schema import METADATA, UtcTime, jobs, parameters, results

__all__ = ["OutboxStore", "keeps", "messages"]

_WAITING, _SETTLED = "waiting", ("sent", "dropped", "given up")

_AT_ONCE = 500
"""Messages posted by one transaction; the next round posts the others."""

messages = Table(
    "uws_messages",
    METADATA,
    Column("job_id", Text, ForeignKey("uws_jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("about", UtcTime, primary_key=True),
    Column("state", Text, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("created_time", UtcTime, nullable=False),
    Column("due_time", UtcTime, nullable=False),
    Index(None, "state", "kind", "due_time"),
)
"""Messages, delivered or not. `state` is `waiting` until it is `sent`, `dropped` since there was
nothing to tell any more, or `given up`; `due_time` is before when nobody is to take it in hand."""

keeps = Table(
    "uws_keeps",
    METADATA,
    Column("digest", Text, primary_key=True),
    Column(
        "job_id", Text, ForeignKey("uws_jobs.id", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("about", UtcTime, nullable=False),
    Column("used_time", UtcTime),
)
"""Links that put a job's destruction off, by the SHA-256 of their token; `about` is the destruction
time that they put off, `used_time` when one did."""


class OutboxStore:
    """Messages and the links in them, one method a transaction."""

    _database: Database

    def post(self, terms: Terms, now: datetime) -> int:
        """Store the messages whose occasion is there, each once; gives how many there were."""
        with self._database.reading() as connection:
            found = _find_occasions(connection, terms, now)
        if not found:
            return 0
        # Messages that a power cut takes back are found again.
        with self._database.working() as connection:
            return _insert_messages(connection, terms.kind, found[:_AT_ONCE], now)

    def claim_message(self, kind: str, *, now: datetime, lease_s: float) -> Message | None:
        """Take the message in hand that is due for longest; nobody else has it for a lease."""
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

    def settle_message(self, message: Message, state: str) -> None:
        """Say what became of a message: `sent`, `dropped` or `given up`."""
        assert state in _SETTLED  # noqa: S101 - a slip of ours, which no client can make
        with self._database.writing() as connection:
            _update(connection, message, state=state)

    def put_off_message(self, message: Message, until: datetime) -> None:
        """Have a message tried again from an instant on."""
        with self._database.working() as connection:
            _update(connection, message, due_time=until)

    def add_keep(self, digest: str, job_id: str, about: datetime) -> bool:
        """Store a link that can put off this destruction time; False where the job is gone."""
        with self._database.writing() as connection:
            if not _lock_jobs(connection, [job_id]):
                return False
            values = {"digest": digest, "job_id": job_id, "about": about}
            connection.execute(keeps.insert(), values)
            return True

    def find_keep(self, digest: str) -> tuple[str, datetime] | None:
        """Give job and destruction time of a link; None where there is none."""
        query = sa.select(keeps.c.job_id, keeps.c.about).where(keeps.c.digest == digest)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row.job_id, row.about)

    def count_kept(self, job_id: str) -> int:
        """Count how often a job's destruction was put off by links."""
        with self._database.reading() as connection:
            return _count_used(connection, job_id)

    def use_keep(self, digest: str, *, until: datetime, times_max: int, now: datetime) -> bool:
        """Put a job's destruction off by a link.

        Parameters
        ----------
        digest
            Of the link.
        until
            The new destruction time; an earlier one than the job's changes nothing.
        times_max
            How often this may be done for a job.

        Returns
        -------
        bool
            False, and nothing is changed, when the link or its job is gone, the job was put off
            since the link was made, or has been so often enough.
        """
        with self._database.writing() as connection:
            return _use_keep(connection, digest, until, times_max=times_max, now=now)


def _find_occasions(
    connection: Connection, terms: Terms, now: datetime
) -> list[tuple[str, datetime]]:
    """Find jobs of which there is something to tell that was not posted yet, and about what."""
    about = jobs.c.end_time if terms.occasion is Occasion.ENDED else jobs.c.destruction
    posted = sa.select(sa.literal(1)).where(
        messages.c.job_id == jobs.c.id, messages.c.kind == terms.kind
    )
    wanted = (
        sa.select(sa.literal(1))
        .where(parameters.c.job_id == jobs.c.id, parameters.c.name == terms.parameter)
        .where(parameters.c.value != "")
    )
    phases = sorted(phase.value for phase in PHASES[terms.occasion])
    query = sa.select(jobs.c.id, jobs.c.end_time, about.label("about")).where(
        jobs.c.phase.in_(phases), jobs.c.end_time.is_not(None), sa.exists(wanted)
    )
    if terms.occasion is Occasion.ENDED:
        since = now - timedelta(seconds=terms.retry_for_s)
        query = query.where(about >= since, ~sa.exists(posted))
        return [(row.id, row.about) for row in connection.execute(query)]
    lead = timedelta(seconds=terms.lead_s)
    # One in as long as the warning comes ahead, however often a client moves the time meanwhile.
    lately = sa.or_(messages.c.about == about, messages.c.created_time > now - lead)
    query = query.where(about > now, about <= now + lead, ~sa.exists(posted.where(lately)))
    query = query.where(sa.exists(sa.select(sa.literal(1)).where(results.c.job_id == jobs.c.id)))
    rows = connection.execute(query)
    # Whoever had the results for less was told the time when the job ended.
    return [(row.id, row.about) for row in rows if row.end_time <= row.about - lead]


def _insert_messages(
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
    """Keep jobs from being deleted until the transaction ends; gives those that are there."""
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


def _count_used(connection: Connection, job_id: str) -> int:
    used = sa.select(sa.func.count()).where(
        keeps.c.job_id == job_id, keeps.c.used_time.is_not(None)
    )
    return connection.execute(used).scalar_one()


def _use_keep(
    connection: Connection, digest: str, until: datetime, *, times_max: int, now: datetime
) -> bool:
    link = connection.execute(keeps.select().where(keeps.c.digest == digest)).first()
    if link is None:
        return False
    # Two uses of a job's links wait for each other at its row.
    query = sa.select(jobs.c.destruction).where(
        jobs.c.id == link.job_id, jobs.c.phase != Phase.ARCHIVED.value
    )
    destruction = connection.scalar(query.with_for_update())
    if destruction is None or destruction > link.about or until <= destruction:
        return False
    if _count_used(connection, link.job_id) >= times_max:
        return False
    connection.execute(jobs.update().where(jobs.c.id == link.job_id).values(destruction=until))
    connection.execute(keeps.update().where(keeps.c.digest == digest).values(used_time=now))
    return True

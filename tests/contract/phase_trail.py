"""A trail of all phases of all jobs, kept by triggers of the database itself.

So no process, and no mistake of the store's own code, gets past it. For SQLite and PostgreSQL.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from uws.models import MOVES, Phase
from uws.store import JobStore

__all__ = ["PhaseTrail", "Step"]

_TABLE = {
    "sqlite": "CREATE TABLE phase_trail (number INTEGER PRIMARY KEY AUTOINCREMENT, {})",
    "postgresql": "CREATE TABLE phase_trail (number BIGSERIAL PRIMARY KEY, {})",
}
_COLUMNS = "job_id TEXT, owner TEXT, old TEXT, new TEXT"
_INSERT = "INSERT INTO phase_trail (job_id, owner, old, new) VALUES"
_EVENTS = {
    "INSERT": ("INSERT", f"{_INSERT} (NEW.id, NEW.owner, '', NEW.phase)"),
    "UPDATE": ("UPDATE OF phase", f"{_INSERT} (NEW.id, NEW.owner, OLD.phase, NEW.phase)"),
    "DELETE": ("DELETE", f"{_INSERT} (OLD.id, OLD.owner, OLD.phase, '')"),
}
_BORN = frozenset({Phase.PENDING, Phase.QUEUED})
"""Phases in which `JobStore.create` is to put a job."""


@dataclass(frozen=True, slots=True)
class Step:
    """A move of one job, as the database saw it."""

    job_id: str
    owner: str
    old: Phase | None
    """None where the job was made."""

    new: Phase | None
    """None where it was deleted."""

    @property
    def is_legal(self) -> bool:
        """Whether UWS allows it; a job may be deleted in any phase."""
        if self.new is None:
            return True
        return self.new in (_BORN if self.old is None else MOVES[self.old])


class PhaseTrail:
    """The trail of a store that is migrated; it begins empty, and a store has but one.

    Parameters
    ----------
    store
        Whose database is to keep the trail.
    """

    def __init__(self, store: JobStore) -> None:
        self._database = store._database
        self._seen = 0
        with self._database.writing() as connection:
            for statement in _statements(connection.dialect.name):
                connection.exec_driver_sql(statement)

    def clear(self) -> None:
        """Forget all steps so far."""
        with self._database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM phase_trail")

    def steps(self) -> list[Step]:
        """Read the steps that were not read before, oldest first."""
        query = sa.text(
            "SELECT number, job_id, owner, old, new FROM phase_trail"
            " WHERE number > :seen ORDER BY number"
        )
        with self._database.reading() as connection:
            rows = connection.execute(query, {"seen": self._seen}).all()
        if rows:
            self._seen = rows[-1].number
        return [
            Step(
                row.job_id,
                row.owner,
                Phase(row.old) if row.old else None,
                Phase(row.new) if row.new else None,
            )
            for row in rows
        ]


def _statements(dialect: str) -> Iterator[str]:
    yield _TABLE[dialect].format(_COLUMNS)
    for event, (when, statement) in _EVENTS.items():
        name = f"phase_trail_{event.lower()}"
        if dialect == "sqlite":
            yield f"CREATE TRIGGER {name} AFTER {when} ON uws_jobs BEGIN {statement}; END"
            continue
        yield (
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN {statement}; RETURN NULL; END $$"
        )
        yield (
            f"CREATE TRIGGER {name} AFTER {when} ON uws_jobs FOR EACH ROW EXECUTE FUNCTION {name}()"
        )

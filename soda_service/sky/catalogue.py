"""Catalogues of objects: from COADD_OBJECT_ID to a place on the sky. The one door to their tables.

SQLite or PostgreSQL, by URL; the tables are made when something is first loaded.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError

from soda_service.errors import SourceUnavailable

__all__ = ["CatalogueObject", "ObjectCatalogue"]

_log = logging.getLogger(__name__)

_IDS_AT_ONCE = 1_000
_ROWS_AT_ONCE = 10_000
_LARGEST_ID = 2**63 - 1
_LOADING = "~"
"""After the name of a release whose objects are being loaded; no release is named so."""

_METADATA = sa.MetaData()
_RELEASES = sa.Table(
    "catalogue_release",
    _METADATA,
    sa.Column("release_id", sa.Integer, primary_key=True),
    sa.Column("name_folded", sa.String(65), nullable=False, unique=True),
    sa.Column("name", sa.String(65), nullable=False),
    sqlite_autoincrement=True,  # no number comes back: objects of a removed one may still be there
)
_OBJECTS = sa.Table(
    "catalogue_object",
    _METADATA,
    # A number instead of the name: a survey has 10^8 to 10^9 objects.
    sa.Column("release_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("alphawin_deg", sa.Double, nullable=False),
    sa.Column("deltawin_deg", sa.Double, nullable=False),
    sa.Column("ra_deg", sa.Double, nullable=False),
    sa.Column("dec_deg", sa.Double, nullable=False),
    sa.Column("tilename", sa.String(128), nullable=False),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class CatalogueObject:
    """An object of a release's catalogue. Positions are ICRS."""

    id: int
    """COADD_OBJECT_ID, 63 bit."""

    alphawin_deg: float
    """ALPHAWIN_J2000: the centre of its cutouts."""

    deltawin_deg: float
    ra_deg: float
    """RA as the catalogue rounds it; its cutouts are named after it."""

    dec_deg: float
    tilename: str
    """Empty where the catalogue does not say."""


_FIELDS = tuple(field.name for field in fields(CatalogueObject))


class ObjectCatalogue:
    """The objects of all releases. Releases are told apart without regard to case.

    Connections open when first needed, and anew in a process that was forked.

    Parameters
    ----------
    url
        An SQLAlchemy URL.
    """

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url, pool_pre_ping=True)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _prepare_sqlite)
        self._process = os.getpid()
        self._has_tables = False

    def dispose(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def find(self, release: str, ids: Sequence[int]) -> dict[int, CatalogueObject]:
        """Look objects up.

        Parameters
        ----------
        release
            Name of the release.
        ids
            Any number of them, in any order; unknown ones are left out of the answer.

        Returns
        -------
        dict
            Objects by id.

        Raises
        ------
        SourceUnavailable
            If the database does not answer.
        """
        wanted = iter(sorted({number for number in ids if 0 <= number <= _LARGEST_ID}))
        found: dict[int, CatalogueObject] = {}
        with self._connection() as connection:
            number = self._number(connection, release)
            if number is None:
                return found
            columns = [column for column in _OBJECTS.c if column.name != "release_id"]
            of_release = sa.select(*columns).where(_OBJECTS.c.release_id == number)
            while batch := list(islice(wanted, _IDS_AT_ONCE)):
                for row in connection.execute(of_release.where(_OBJECTS.c.id.in_(batch))):
                    found[row.id] = CatalogueObject(*row)
        return found

    def load(self, release: str, rows: Iterable[CatalogueObject], *, replace: bool = False) -> int:
        """Add objects to a release; those that are there already get the new values.

        Each batch is a transaction of its own, so that others who write to the same database
        wait for no more than one.

        Parameters
        ----------
        release
            Name of the release.
        rows
            Read as a stream.
        replace
            Whether the new objects take the place of all that the release has had: at once, when
            the last is there; after an error on the way the old ones are still in place.

        Returns
        -------
        int
            Number of rows.

        Raises
        ------
        SourceUnavailable
            If the database does not answer.
        """
        with self._connection() as connection:
            _METADATA.create_all(connection)
        name = f"{release}{_LOADING}" if replace else release
        if replace:
            self.remove(name)  # what is left of a load that was broken off
        number = self._made_number(name)
        total = 0
        stream = iter(rows)
        statement = self._upsert()
        while batch := list(islice(stream, _ROWS_AT_ONCE)):
            with self._connection() as connection:
                values = [{"release_id": number, **_values(row)} for row in batch]
                connection.execute(statement, values)
            total += len(batch)
        if replace:
            self._take_place(release, number)
        return total

    def _made_number(self, release: str) -> int:
        with self._connection() as connection:
            number = self._number(connection, release)
            if number is None:
                row = {"name_folded": release.lower(), "name": release}
                connection.execute(sa.insert(_RELEASES).values(row))
                number = self._number(connection, release)
        if number is None:
            raise SourceUnavailable("the object catalogue does not keep what is written to it")
        return number

    def _take_place(self, release: str, number: int) -> None:
        """Give a loaded catalogue its release's name, and drop the one that had it."""
        folded = release.lower()
        with self._connection() as connection:
            old = self._number(connection, release)
            connection.execute(sa.delete(_RELEASES).where(_RELEASES.c.name_folded == folded))
            named = sa.update(_RELEASES).where(_RELEASES.c.release_id == number)
            connection.execute(named.values(name_folded=folded, name=release))
        if old is not None:
            self._drop(old)

    def _drop(self, number: int) -> int:
        """Delete objects, in batches."""
        of_release = _OBJECTS.c.release_id == number
        some = sa.select(_OBJECTS.c.id).where(of_release).limit(_ROWS_AT_ONCE)
        statement = sa.delete(_OBJECTS).where(of_release, _OBJECTS.c.id.in_(some))
        total = 0
        while True:
            with self._connection() as connection:
                gone = connection.execute(statement).rowcount
            total += gone
            if gone < _ROWS_AT_ONCE:
                return total

    def releases(self) -> tuple[str, ...]:
        """Name the releases that have objects, sorted."""
        has_objects = sa.exists().where(_OBJECTS.c.release_id == _RELEASES.c.release_id)
        with self._connection() as connection:
            if not self._is_made(connection):
                return ()
            names = connection.scalars(sa.select(_RELEASES.c.name).where(has_objects))
            return tuple(sorted(name for name in names if not name.endswith(_LOADING)))

    def remove(self, release: str) -> int:
        """Drop all objects of a release; return how many there were."""
        with self._connection() as connection:
            number = self._number(connection, release)
            if number is None:
                return 0
            connection.execute(sa.delete(_RELEASES).where(_RELEASES.c.release_id == number))
        return self._drop(number)

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        """Open a transaction."""
        if self._process != os.getpid():  # connections of the parent are not ours to use or close
            self._engine.dispose(close=False)
            self._process = os.getpid()
        try:
            with self._engine.begin() as connection:
                yield connection
        except OperationalError as error:
            # The driver's words name hosts and files: they are for operators, not for users.
            _log.warning("object catalogue: %s", error.orig)
            raise SourceUnavailable("the object catalogue does not answer") from error

    def _is_made(self, connection: sa.Connection) -> bool:
        if not self._has_tables:
            self._has_tables = sa.inspect(connection).has_table(_OBJECTS.name)
        return self._has_tables

    def _number(self, connection: sa.Connection, release: str) -> int | None:
        if not self._is_made(connection):
            return None
        folded = _RELEASES.c.name_folded == release.lower()
        return connection.scalar(sa.select(_RELEASES.c.release_id).where(folded))

    def _upsert(self) -> sa.Executable:
        """Make the statement that adds an object or gives it new values."""
        keys = ["release_id", "id"]
        statement: sqlite.Insert | postgresql.Insert
        if self._engine.dialect.name == "postgresql":
            statement = postgresql.insert(_OBJECTS)
        else:
            statement = sqlite.insert(_OBJECTS)
        new = {c.name: statement.excluded[c.name] for c in _OBJECTS.c if c.name not in keys}
        return statement.on_conflict_do_update(index_elements=keys, set_=new)


def _values(row: CatalogueObject) -> dict[str, object]:
    # A third of the time that dataclasses.asdict takes, which copies deeply.
    return {name: getattr(row, name) for name in _FIELDS}


# The driver's own connection, whatever its type.
def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Let readers go on while a catalogue is loaded, and writers wait for each other."""
    connection.execute("PRAGMA busy_timeout = 30000")
    connection.execute("PRAGMA journal_mode = WAL")

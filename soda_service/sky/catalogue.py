"""Object catalogues: look up the position of a COADD_OBJECT_ID. All SQL on them is here.

SQLite or PostgreSQL, by URL. The tables are made when the first objects are loaded.
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
"""Suffix of a release's name while its objects are being loaded. No release name contains it."""

_METADATA = sa.MetaData()
_RELEASES = sa.Table(
    "catalogue_release",
    _METADATA,
    sa.Column("release_id", sa.Integer, primary_key=True),
    sa.Column("name_folded", sa.String(65), nullable=False, unique=True),
    sa.Column("name", sa.String(65), nullable=False),
    sqlite_autoincrement=True,  # never reuse an id: objects of a removed release may remain
)
_OBJECTS = sa.Table(
    "catalogue_object",
    _METADATA,
    # An integer instead of the name: a survey has 10^8 to 10^9 objects.
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
    """ALPHAWIN_J2000, deg: right ascension of the centre of its cutouts."""

    deltawin_deg: float
    ra_deg: float
    """RA as rounded by the catalogue; the names of cutouts use it."""

    dec_deg: float
    tilename: str
    """Empty if the catalogue has no tile name."""


_FIELDS = tuple(field.name for field in fields(CatalogueObject))


class ObjectCatalogue:
    """The objects of all releases. Release names are not case-sensitive.

    Connections open on first use, and again in a forked process.

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
        """Look up objects by id.

        Parameters
        ----------
        release
            Name of the release.
        ids
            Any number of ids in any order. Unknown ids are left out of the result.

        Returns
        -------
        dict
            Objects by id.

        Raises
        ------
        SourceUnavailable
            If the database does not respond.
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
        """Add objects to a release; existing objects get the new values.

        Each batch is one transaction, so other writers of the same database wait for one batch at
        most.

        Parameters
        ----------
        release
            Name of the release.
        rows
            Rows, read as a stream.
        replace
            Whether the new objects replace all previous ones. They do so in one step, after the
            last object is loaded. After an error, the previous objects are still in place.

        Returns
        -------
        int
            Number of rows loaded.

        Raises
        ------
        SourceUnavailable
            If the database does not respond.
        """
        with self._connection() as connection:
            _METADATA.create_all(connection)
        name = f"{release}{_LOADING}" if replace else release
        if replace:
            self.remove(name)  # left over from an interrupted load
        number = self._number_or_new(name)
        total = 0
        stream = iter(rows)
        statement = self._upsert()
        while batch := list(islice(stream, _ROWS_AT_ONCE)):
            with self._connection() as connection:
                values = [{"release_id": number, **_values(row)} for row in batch]
                connection.execute(statement, values)
            total += len(batch)
        if replace:
            self._rename_loaded(release, number)
        return total

    def _number_or_new(self, release: str) -> int:
        with self._connection() as connection:
            number = self._number(connection, release)
            if number is None:
                row = {"name_folded": release.lower(), "name": release}
                connection.execute(sa.insert(_RELEASES).values(row))
                number = self._number(connection, release)
        if number is None:
            raise SourceUnavailable("the object catalogue did not store what was written to it")
        return number

    def _rename_loaded(self, release: str, number: int) -> None:
        """Rename a loaded catalogue to its release, and delete the previous one."""
        folded = release.lower()
        with self._connection() as connection:
            old = self._number(connection, release)
            connection.execute(sa.delete(_RELEASES).where(_RELEASES.c.name_folded == folded))
            named = sa.update(_RELEASES).where(_RELEASES.c.release_id == number)
            connection.execute(named.values(name_folded=folded, name=release))
        if old is not None:
            self._drop(old)

    def _drop(self, number: int) -> int:
        """Delete the objects with a release's number, in batches."""
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
        """Return the names of the releases that have objects, sorted."""
        has_objects = sa.exists().where(_OBJECTS.c.release_id == _RELEASES.c.release_id)
        with self._connection() as connection:
            if not self._is_made(connection):
                return ()
            names = connection.scalars(sa.select(_RELEASES.c.name).where(has_objects))
            return tuple(sorted(name for name in names if not name.endswith(_LOADING)))

    def remove(self, release: str) -> int:
        """Delete all objects of a release, and return how many there were."""
        with self._connection() as connection:
            number = self._number(connection, release)
            if number is None:
                return 0
            connection.execute(sa.delete(_RELEASES).where(_RELEASES.c.release_id == number))
        return self._drop(number)

    @contextmanager
    def _connection(self) -> Iterator[sa.Connection]:
        """Open a transaction."""
        if self._process != os.getpid():  # the parent's connections must not be used or closed here
            self._engine.dispose(close=False)
            self._process = os.getpid()
        try:
            with self._engine.begin() as connection:
                yield connection
        except OperationalError as error:
            # The driver's message names hosts and files: log it, and do not show it to users.
            _log.warning("object catalogue: %s", error.orig)
            raise SourceUnavailable("the object catalogue does not respond") from error

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
        """Build the statement that inserts an object or updates its values."""
        keys = ["release_id", "id"]
        statement: sqlite.Insert | postgresql.Insert
        if self._engine.dialect.name == "postgresql":
            statement = postgresql.insert(_OBJECTS)
        else:
            statement = sqlite.insert(_OBJECTS)
        new = {c.name: statement.excluded[c.name] for c in _OBJECTS.c if c.name not in keys}
        return statement.on_conflict_do_update(index_elements=keys, set_=new)


def _values(row: CatalogueObject) -> dict[str, object]:
    # Takes a third of the time of dataclasses.asdict, which makes deep copies.
    return {name: getattr(row, name) for name in _FIELDS}


# Any: the connection of the driver, whose type differs between drivers.
def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Let readers continue while a catalogue is loaded, and let writers wait for each other."""
    connection.execute("PRAGMA busy_timeout = 30000")
    connection.execute("PRAGMA journal_mode = WAL")

"""The database below the job store: engine, transactions, migrations.

SQLite runs in WAL mode with immediate write transactions, so that two writers wait for each other
and never fail half way; PostgreSQL through psycopg 3. A database that cannot be reached, is locked
or has no tables raises `TransientError`.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url

from uws.errors import FatalError, TransientError

__all__ = ["Database", "migrate_schema", "open_engine", "store_file"]

_log = logging.getLogger(__name__)

_MIGRATIONS = Path(__file__).parent.parent / "migrations"

_BUSY_TIMEOUT_S = 15.0
"""How long a SQLite writer waits for another, where the URL does not say `?timeout=`; a write
transaction takes milliseconds."""

_WAL_RETRY_S = 0.01

_CONNECT_TIMEOUT_S = 5
"""For a PostgreSQL host that does not answer, unless the URL says otherwise."""

_SCHEMA_UNAVAILABLE = frozenset({"42P01", "42703", "25006"})
"""PostgreSQL's undefined table or column (before `init-db`), and a standby that only reads."""

_MIGRATION_LOCK = 0x7577735F6A6F6273  # "uws_jobs": key of PostgreSQL's advisory lock

_BEGIN_OPTION = "uws_begin"
_SQLITE_BEGIN = {
    # Transactions of work are not synced to disk, since a sweep repeats what a power cut loses.
    # Those that a client got an answer for are synced (0.3 ms instead of 0.015 ms on a solid-state
    # disk).
    "read": ("BEGIN",),
    "work": ("PRAGMA synchronous=NORMAL", "BEGIN IMMEDIATE"),
    "durable": ("PRAGMA synchronous=FULL", "BEGIN IMMEDIATE"),
}

_POSTGRES_READ = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def open_engine(url: str) -> Engine:
    """Make the engine of a database URL; nothing is connected yet.

    Parameters
    ----------
    url
        `sqlite:////path/to/jobs.db`, or `postgresql://user:password@host/name`.

    Raises
    ------
    ValueError
        When the URL names another kind of database.
    """
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            return _open_sqlite(parsed)
        case "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
            if "connect_timeout" not in parsed.query:
                parsed = parsed.update_query_dict({"connect_timeout": str(_CONNECT_TIMEOUT_S)})
            return sa.create_engine(parsed, pool_pre_ping=True, pool_size=5, max_overflow=20)
        case other:
            raise ValueError(f"job store: found {other!r}, allowed are sqlite and postgresql")


def _open_sqlite(url: URL) -> Engine:
    timeout_s = {} if "timeout" in url.query else {"timeout": _BUSY_TIMEOUT_S}
    engine = sa.create_engine(
        url,
        connect_args={**timeout_s, "check_same_thread": False},
        pool_size=5,
        max_overflow=20,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, record: object) -> None:  # Any: sqlite3's or a wrapper of it
    """Set a new connection up; transactions are begun by `_begin_sqlite`, not by the driver."""
    del record
    connection.isolation_level = None
    _switch_to_wal(connection)
    connection.execute("PRAGMA foreign_keys=ON")


def _switch_to_wal(connection: Any) -> None:  # Any: as above
    """Switch to WAL once a writer that still has the file in the old mode is done.

    SQLite refuses this one statement at once, whatever its busy time-out, while another
    connection holds the write lock: the first two processes on a new file meet here.
    """
    deadline = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_WAL_RETRY_S)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    for statement in _SQLITE_BEGIN[options.get(_BEGIN_OPTION, "durable")]:
        connection.exec_driver_sql(statement)


class Database:
    """Transactions over an engine.

    Parameters
    ----------
    engine
        As `open_engine` makes it. Connections are opened when first needed.
    trial
        A connection on which all transactions are one.
    """

    def __init__(self, engine: Engine, trial: Connection | None = None) -> None:
        self._engine = engine
        self._trial = trial
        self._engines = {
            kind: engine.execution_options(**{_BEGIN_OPTION: kind}) for kind in _SQLITE_BEGIN
        }
        if engine.dialect.name == "postgresql":
            # By default each statement would see another state of the database; in SQLite all see
            # one.
            self._engines["read"] = engine.execution_options(**_POSTGRES_READ)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open a transaction that reads one state of the database."""
        with self._transaction("read") as connection:
            yield connection

    @contextmanager
    def working(self) -> Iterator[Connection]:
        """Open a write transaction that a sweep repeats if a power cut loses it."""
        with self._transaction("work") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a write transaction that is on disk when the context ends."""
        with self._transaction("durable") as connection:
            yield connection

    @contextmanager
    def trial(self) -> Iterator["Database"]:
        """Open one write transaction for all others, and roll it back at its end."""
        with _as_transient(), self._engines["work"].connect() as connection:
            yield Database(self._engine, connection)

    @contextmanager
    def _transaction(self, kind: str) -> Iterator[Connection]:
        if self._trial is not None:
            yield self._trial
            return
        with _as_transient(), self._engines[kind].begin() as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the schema to the newest version; a second process waits for the first."""
        _make_private(self._engine.url)
        with self.writing() as connection:
            migrate_schema(connection)

    def close(self) -> None:
        """Close the pooled connections; others are opened when needed."""
        self._engine.dispose()

    def dispose(self) -> None:
        """Forget all pooled connections without closing them: they belong to the parent."""
        self._engine.dispose(close=False)


def store_file(url: str | URL) -> Path | None:
    """Return the SQLite file of a database URL; None if it names no file."""
    parsed = make_url(url)
    path = parsed.database
    if parsed.get_backend_name() != "sqlite" or not path or path == ":memory:":
        return None
    return Path(path)


def _make_private(url: URL) -> None:
    """Make a new SQLite file that only this user can read: jobs hold addresses of people.

    SQLite gives the files beside it the same rights.
    """
    path = store_file(url)
    if path is not None:
        with suppress(OSError):  # SQLite itself says what is wrong
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def migrate_schema(connection: Connection) -> None:
    """Run the migrations that are missing, inside the connection's write transaction.

    Raises
    ------
    FatalError
        When the schema was made by a later version of the program.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    _refuse_newer(connection, ScriptDirectory.from_config(config))
    command.upgrade(config, "head")


def _refuse_newer(connection: Connection, scripts: ScriptDirectory) -> None:
    found = MigrationContext.configure(connection).get_current_revision()
    known = [script.revision for script in scripts.walk_revisions()]
    if found is not None and found not in known:
        raise FatalError(
            f"job store: found schema {found}, this program knows {known[0]} and older ones;"
            " use the version of the program that made it, or a later one"
        )


@contextmanager
def _as_transient() -> Iterator[None]:
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
        # The driver's message names hosts and files: it is for operators, not for clients.
        _log.warning("job store: %s", getattr(error, "orig", None) or error)
        raise TransientError("the job store cannot be reached") from error
    except (sa.exc.ProgrammingError, sa.exc.InternalError) as error:
        if getattr(error.orig, "sqlstate", None) not in _SCHEMA_UNAVAILABLE:
            raise
        _log.warning("job store: %s; was init-db run?", error.orig)
        raise TransientError("the job store is not ready") from error

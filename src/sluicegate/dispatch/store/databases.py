"""Connections: to a file that is this process's own, or to a server."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import URL, Connection, create_engine, event, func, make_url, select, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from sluicegate.dispatch.store.dialects import LOCK_NUMBER, POSTGRES, SQLITE, Dialect
from sluicegate.dispatch.store.durable import ON_DISK, assert_durable
from sluicegate.dispatch.store.interface import StoreError
from sluicegate.dispatch.store.purging import HIGHEST
from sluicegate.dispatch.store.tables import meta, parcel, parcel_number


class Database(Protocol):
    """Where a store is."""

    name: str
    """For messages: without a password."""
    dialect: Dialect

    def connect(self) -> Connection:
        """A connection that is durable. Raises NotDurable, or an error of SQLAlchemy."""

    def reader(self) -> Connection:
        """A connection that only reads, and holds nobody up."""

    def take(self, connection: Connection, count: int) -> Sequence[int]:
        """See `work.Numbers`."""

    def free(self) -> int:
        """Somebody holds the lock who does not come back: end his connection. How many were ended."""

    def close(self) -> None:
        """Let others have it."""


class SqliteDatabase:
    """A file. Raises StoreError where another dispatcher has it."""

    dialect = SQLITE

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._next: int | None = None
        self._lock = _locked(path)
        options = {"check_same_thread": False, "timeout": 5.0, "cached_statements": 256}
        url = URL.create("sqlite", database=str(path))
        self._engine = create_engine(url, poolclass=NullPool, connect_args=options, hide_parameters=True)
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)

    def connect(self) -> Connection:
        connection = self._engine.connect()
        try:
            with connection.begin():
                assert_durable(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def reader(self) -> Connection:
        """See `Database.reader`."""
        options = {"check_same_thread": False, "timeout": 5.0}
        engine = create_engine(self._engine.url, poolclass=NullPool, connect_args=options, hide_parameters=True)
        connection = engine.connect()
        connection.exec_driver_sql("PRAGMA query_only = ON")
        return connection

    def take(self, connection: Connection, count: int) -> Sequence[int]:
        """Counted here: nobody else is there. The first time, beyond all that were ever committed."""
        if self._next is None:
            largest = connection.scalar(select(func.max(parcel.c.seq))) or 0
            purged = connection.scalar(select(meta.c.value).where(meta.c.name == HIGHEST)) or "0"
            self._next = max(largest, int(purged)) + 1
        first = self._next
        self._next += count
        return range(first, first + count)

    def free(self) -> int:
        """Nobody else is there."""
        return 0

    def close(self) -> None:
        self._engine.dispose()
        os.close(self._lock)


def _locked(path: Path) -> int:
    """Take the file for this process, until it ends."""
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"the store {path}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # messages are nobody else's
    except BlockingIOError as error:
        os.close(lock)
        raise StoreError(
            f"the store {path}: another dispatcher has it; for several dispatchers use PostgreSQL"
        ) from error
    except OSError as error:
        os.close(lock)
        raise StoreError(f"the store {path}: {error.strerror}") from error
    return lock


PRAGMAS = (
    "auto_vacuum = INCREMENTAL",  # before the first table: a backlog that has gone gives its disk back
    "journal_mode = WAL",
    "synchronous = FULL",
    "wal_autocheckpoint = 4000",  # pages: fewer checkpoints write a page that many commits changed once
    "journal_size_limit = 67108864",
    "cache_size = -32768",  # KiB
    "temp_store = MEMORY",
    "wal_checkpoint(TRUNCATE)",  # after a failed write: what the log holds is written, and synced, once more
)


def _prepare(connection: Any, _record: object) -> None:
    """The driver begins no transactions by itself."""
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


SESSION = {
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "3s",  # a dispatcher that hangs does not stop the others for longer
    "lock_timeout": "6s",  # nor one that is frozen while the server sends it what it asked for: see `free`
    "jit": "off",  # longer to compile than our statements run
    "enable_seqscan": "off",  # each statement has its index; a plan made for an empty table would read the full one
}

HELD = 5.0
"""Seconds: who has held the lock for so long is ended by who waits for it. A transaction takes milliseconds."""

SOCKET = {
    "connect_timeout": 5,  # seconds
    "keepalives": 1,
    "keepalives_idle": 10,  # seconds
    "keepalives_interval": 5,  # seconds
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # milliseconds
    "application_name": "sluicegate-dispatch",
}
"""What the URL says itself is left as it is."""


class PostgresDatabase:
    """A server. Raises StoreError where the URL is none, or the driver is missing."""

    dialect = POSTGRES

    def __init__(self, where: str) -> None:
        url = _parsed(where)
        self.name = _shown(url)
        options = {name: value for name, value in SOCKET.items() if name not in url.query}
        try:
            self._engine = create_engine(
                url.set(drivername="postgresql+psycopg"),
                poolclass=NullPool,
                connect_args=options,
                hide_parameters=True,
                paramstyle="format",  # by position, as SQLite: see `Bulk`
                isolation_level="READ COMMITTED",
            )
        except ImportError as error:
            raise _no_driver() from error

    def connect(self) -> Connection:
        connection = self._engine.connect()
        try:
            with connection.begin():
                for name, value in SESSION.items():
                    connection.exec_driver_sql(f"SET SESSION {name} = '{value}'")
                if connection.exec_driver_sql("SHOW synchronous_commit").scalar() not in ON_DISK:
                    connection.exec_driver_sql("SET SESSION synchronous_commit = 'on'")
                assert_durable(connection)
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        return connection

    def reader(self) -> Connection:
        """See `Database.reader`."""
        connection = self._engine.connect()
        with connection.begin():
            for name, value in SESSION.items():
                connection.exec_driver_sql(f"SET SESSION {name} = '{value}'")
            connection.exec_driver_sql("SET SESSION default_transaction_read_only = on")
        return connection

    def take(self, connection: Connection, count: int) -> Sequence[int]:
        """All of them in one statement, after the lock: larger than those of anybody who has committed."""
        return connection.scalars(_NUMBERS, {"count": count}).all() if count else ()

    def free(self) -> int:
        """See `Database.free`.

        The server does it by itself for a connection that is idle. One to which it is sending rows is not idle: frozen
        with its buffers full, a dispatcher would hold up all others for as long as it is frozen.
        """
        with self._engine.connect() as connection, connection.begin():
            return len(connection.scalars(_FREE, {"held": HELD}).all())

    def close(self) -> None:
        self._engine.dispose()


_FREE = text(
    "SELECT pg_terminate_backend(held.pid) FROM pg_locks AS held JOIN pg_stat_activity AS at USING (pid) "  # noqa: S608 - of constants
    "WHERE held.locktype = 'advisory' AND held.granted AND held.pid <> pg_backend_pid() "
    "AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    f"AND ((CAST(held.classid AS bigint) << 32) | CAST(held.objid AS bigint)) = {LOCK_NUMBER} "
    "AND at.xact_start < clock_timestamp() - make_interval(secs => :held)"
)

_NUMBERS = select(parcel_number.next_value()).select_from(func.generate_series(1, text(":count")))


def _parsed(where: str) -> URL:
    if find_spec("psycopg") is None:
        raise _no_driver()
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):
        raise StoreError("the store's URL is none: postgresql://USER:PASSWORD@HOST:PORT/DATABASE") from None
    if "@" in (url.host or ""):  # it would be shown, and it is part of the password
        raise StoreError("the store's URL: an @ in the password is written %40")
    return url


def _shown(url: URL) -> str:
    host = url.host or str(url.query.get("host", "")) or "localhost"
    port = f":{url.port}" if url.port else ""
    return f"postgresql://{host}{port}/{url.database or ''}"


def _no_driver() -> StoreError:
    return StoreError("the store is a PostgreSQL, and its driver is not installed: pip install 'sluicegate[postgres]'")

"""Where parcels are: in a file that is this process's own, or on a server that dispatchers share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, func, select, text

from sluicegate.database.connecting import SESSION as USUAL
from sluicegate.database.connecting import PostgresServer, SqliteFile
from sluicegate.dispatch.store.dialects import LOCK_NUMBER, POSTGRES, SQLITE, Dialect
from sluicegate.dispatch.store.purging import HIGHEST
from sluicegate.dispatch.store.tables import meta, metadata, parcel, parcel_number


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


class SqliteDatabase(SqliteFile):
    """A file. Raises StoreError where another dispatcher has it."""

    dialect = SQLITE

    def __init__(self, path: Path) -> None:
        held = "another dispatcher has it; for several dispatchers use PostgreSQL"
        super().__init__(path, alone=True, held=held)
        self._next: int | None = None

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


SESSION = USUAL | {
    "enable_seqscan": "off",  # each statement has its index; a plan made for an empty table would read the full one
}

HELD = 5.0
"""Seconds: who has held the lock for so long is ended by who waits for it. A transaction takes milliseconds."""


class PostgresDatabase(PostgresServer):
    """A server. Raises StoreError where the URL is none, or the driver is missing."""

    dialect = POSTGRES

    def __init__(self, where: str) -> None:
        super().__init__(where, application="sluicegate-dispatch", tables=metadata.tables.keys(), session=SESSION)

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


_FREE = text(
    "SELECT pg_terminate_backend(held.pid) FROM pg_locks AS held JOIN pg_stat_activity AS at USING (pid) "  # noqa: S608 - of constants
    "WHERE held.locktype = 'advisory' AND held.granted AND held.pid <> pg_backend_pid() "
    "AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    f"AND ((CAST(held.classid AS bigint) << 32) | CAST(held.objid AS bigint)) = {LOCK_NUMBER} "
    "AND at.xact_start < clock_timestamp() - make_interval(secs => :held)"
)

_NUMBERS = select(parcel_number.next_value()).select_from(func.generate_series(1, text(":count")))

"""The database: transactions that change, and those that only read. One connection, used from one thread at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from sluicegate.database.connecting import READING, PostgresServer, SqliteFile, lock_number, url_of_server
from sluicegate.database.errors import StoreError, StoreLost, translating
from sluicegate.operations.store import history_tables  # noqa: F401 - its tables are made with the others
from sluicegate.operations.store import site_tables as _site_tables  # noqa: F401 - they are made with the others
from sluicegate.operations.store.tables import VERSION, metadata, operations

WAIT = 3.0
"""Seconds for another process's transaction on the same file."""

_LOCK = text(f"SELECT pg_advisory_xact_lock({lock_number('sluicegate operations')})")


class OperationsStore:
    """What operators and Users keep.

    Args:
        where: the path of a file (SQLite), or `postgresql://...`.
        make: make the tables that are missing; False leaves the database as it is, for those who only look.

    Attributes:
        takes_changes: whether the last transaction that was to change something could. A full disk can still be read.

    Raises:
        NotDurable: a commit could be lost; the text says what to do.
        StoreError: it cannot be reached, it is of a later version, or the driver is missing.
    """

    def __init__(self, where: str, *, make: bool = True) -> None:
        url = url_of_server(where)
        self._path = Path(where).resolve() if url is None else None
        self._database: SqliteFile | PostgresServer
        if self._path is not None:
            self._database = SqliteFile(self._path, alone=False, wait=WAIT)
        else:
            self._database = PostgresServer(
                url or "", application="sluicegate-operations", tables=metadata.tables.keys()
            )
        self.name = self._database.name
        self.takes_changes = True
        self._connection: Connection | None = None
        self._file: tuple[int, int] | None = None
        try:
            if make:
                with self.changing() as connection:
                    _prepare(connection, self.name)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def changing(self) -> Iterator[Connection]:
        """A transaction that changes something: one at a time, whichever process it is in. Raises StoreError.

        What was committed is on the disk. After StoreLost it is not known whether it was.
        """
        try:
            with self._working(reading=False) as connection:
                yield connection
        except StoreError:
            self.takes_changes = False
            raise
        self.takes_changes = True

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that changes nothing, and sees one moment of the database. Raises StoreError."""
        with self._working(reading=True) as connection:
            yield connection

    @contextmanager
    def _working(self, *, reading: bool) -> Iterator[Connection]:
        try:
            with translating(self.name):
                connection = self._connected()
                connection.execution_options(**{READING: reading})
                with connection.begin():
                    if self._path is None:
                        if reading:
                            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                        else:
                            connection.execute(_LOCK)
                    yield connection
        except StoreError:
            self._disconnect()  # whatever it is in: the next transaction begins with a fresh one
            raise

    def _connected(self) -> Connection:
        if self._connection is not None and self._path is not None and self._file != _identity(self._path):
            self._disconnect()
            raise StoreLost(f"the store {self.name}: the file is gone, or is another one")
        if self._connection is None:
            if self._file is not None and self._path is not None and _identity(self._path) is None:
                raise StoreLost(f"the store {self.name}: the file is gone")  # a new one would know no token
            self._connection = self._database.connect()
            self._file = _identity(self._path) if self._path is not None else None
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.invalidate()
            with suppress(SQLAlchemyError):
                connection.close()

    def close(self) -> None:
        """Disconnect. Twice is as good as once."""
        self._disconnect()
        self._database.close()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _prepare(connection: Connection, name: str) -> None:
    """Make the tables that are missing. Raises StoreError where they are of a later version, or not ours."""
    there = set(inspect(connection).get_table_names())
    if operations.name not in there:
        foreign = sorted(there & metadata.tables.keys())
        if foreign:
            raise StoreError(f"the store {name}: it has a table {foreign[0]} that is not Sluicegate's")
        metadata.create_all(connection)
        connection.execute(insert(operations).values(name="schema", value=str(VERSION)))
        return
    found = connection.scalar(select(operations.c.value).where(operations.c.name == "schema"))
    if found is None or not found.isdecimal():
        raise StoreError(f"the store {name}: its table {operations.name} is not Sluicegate's")
    if int(found) > VERSION:
        raise StoreError(
            f"the store {name}: its tables are of version {found}, and this Sluicegate knows version {VERSION}: "
            "install the version that wrote it, or a later one"
        )
    if metadata.tables.keys() - there:
        metadata.create_all(connection)
    if int(found) < VERSION:
        connection.execute(update(operations).where(operations.c.name == "schema").values(value=str(VERSION)))

"""Connections: to a file, or to a server."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from sluicegate.database.durable import ON_DISK, assert_durable
from sluicegate.database.errors import StoreError

READING = "reading"
"""Execution option of a connection: its transactions change nothing, and wait for nobody who does."""


class SqliteFile:
    """A file.

    Args:
        path: where it is.
        alone: nobody else may have it; who does is told of in the error (`held`).
        wait: seconds for others' transactions.

    Raises:
        StoreError: the file cannot be opened, or somebody else has it.
    """

    def __init__(self, path: Path, *, alone: bool, held: str = "another process has it", wait: float = 5.0) -> None:
        self.name = str(path)
        self._path = path
        self._lock = _locked(path, held) if alone else None
        _made(path)
        self._options = {"check_same_thread": False, "timeout": wait}
        url = URL.create("sqlite", database=str(path))
        options = {**self._options, "cached_statements": 256}
        self._engine = create_engine(url, poolclass=NullPool, connect_args=options, hide_parameters=True)
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)

    def connect(self) -> Connection:
        """A connection that is durable. Raises NotDurable, or an error of SQLAlchemy."""
        connection = self._engine.connect()
        try:
            with connection.begin():
                assert_durable(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def reader(self) -> Connection:
        """A connection that only reads, and holds nobody up."""
        engine = create_engine(self._engine.url, poolclass=NullPool, connect_args=self._options, hide_parameters=True)
        connection = engine.connect()
        connection.exec_driver_sql("PRAGMA query_only = ON")
        return connection

    def close(self) -> None:
        """Let others have it."""
        self._engine.dispose()
        if self._lock is not None:
            os.close(self._lock)


def _locked(path: Path, held: str) -> int:
    """Take the file for this process, until it ends."""
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(f"the store {path}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _made(path)
    except BlockingIOError as error:
        os.close(lock)
        raise StoreError(f"the store {path}: {held}") from error
    except StoreError:
        os.close(lock)
        raise
    return lock


def _made(path: Path) -> None:
    """The file, for nobody else to read."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(f"the store {path}: {error.strerror}") from error


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
    connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(READING) else "BEGIN IMMEDIATE")


SESSION = {
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "3s",  # a process that hangs does not stop the others for longer
    "lock_timeout": "6s",  # nor one that is frozen while the server sends it what it asked for
    "jit": "off",  # longer to compile than our statements run
}

SOCKET = {
    "connect_timeout": 5,  # seconds
    "keepalives": 1,
    "keepalives_idle": 10,  # seconds
    "keepalives_interval": 5,  # seconds
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # milliseconds
}
"""What the URL says itself is left as it is."""


class PostgresServer:
    """A server.

    Args:
        where: its URL.
        application: as whom the server shows us.
        tables: those that must survive a crash of the server.
        session: settings of each session.

    Raises:
        StoreError: the URL is none, or the driver is missing.
    """

    def __init__(
        self, where: str, *, application: str, tables: Collection[str], session: Mapping[str, str] = SESSION
    ) -> None:
        url = _parsed(where)
        self.name = _shown(url)
        self._tables = tables
        self._session = session
        wanted = {**SOCKET, "application_name": application}
        options = {name: value for name, value in wanted.items() if name not in url.query}
        try:
            self._engine = create_engine(
                url.set(drivername="postgresql+psycopg"),
                poolclass=NullPool,
                connect_args=options,
                hide_parameters=True,
                paramstyle="format",  # by position, as SQLite: see `dispatch.store.bulk`
                isolation_level="READ COMMITTED",
            )
        except ImportError as error:
            raise _no_driver() from error

    def connect(self) -> Connection:
        """A connection that is durable. Raises NotDurable, or an error of SQLAlchemy."""
        connection = self._engine.connect()
        try:
            with connection.begin():
                self._set(connection)
                if connection.exec_driver_sql("SHOW synchronous_commit").scalar() not in ON_DISK:
                    connection.exec_driver_sql("SET SESSION synchronous_commit = 'on'")
                assert_durable(connection, self._tables)
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        return connection

    def reader(self) -> Connection:
        """A connection that only reads, and holds nobody up."""
        connection = self._engine.connect()
        with connection.begin():
            self._set(connection)
            connection.exec_driver_sql("SET SESSION default_transaction_read_only = on")
        return connection

    def _set(self, connection: Connection) -> None:
        for name, value in self._session.items():
            connection.exec_driver_sql(f"SET SESSION {name} = '{value}'")

    def close(self) -> None:
        """Nothing is held."""
        self._engine.dispose()


def lock_number(what: str) -> str:
    """The number of an advisory lock, one for each schema, in SQL."""
    return f"hashtextextended('{what} ' || current_schema(), 0)"


SERVERS = {"postgresql", "postgresql+psycopg", "postgres"}


def url_of_server(where: str) -> str | None:
    """The URL of a PostgreSQL; None for the path of a file. Raises StoreError for any other URL."""
    scheme, found, rest = where.partition("://")
    if not found:
        return None
    if scheme not in SERVERS:
        raise StoreError(f"the store is a file or postgresql://..., and not {scheme[:20]}://...")
    return f"postgresql://{rest}"


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
